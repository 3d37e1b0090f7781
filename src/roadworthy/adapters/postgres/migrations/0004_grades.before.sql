-- How hard requests are: what was decided, and what people and evaluations say of the answers.

-- Held from the first task that was routed on: a switch of models throws the provider's prompt cache away.
alter table sessions add column tier text check (tier in ('simple', 'moderate', 'complex'));
-- Whose models answered the task.
alter table tasks add column tier text check (tier in ('simple', 'moderate', 'complex'));

-- One for each task and source: the last one given.
create table grades (
    task_id uuid not null,
    source text not null check (source in ('user', 'operator', 'eval')),
    session_id uuid not null,
    mark text check (mark in ('good', 'bad')),
    -- The cheapest tier that would have been enough.
    enough text check (enough in ('simple', 'moderate', 'complex')),
    note text,
    given_by text not null,
    at timestamptz not null,
    primary key (task_id, source),
    check (mark is not null or enough is not null)
);
create index grades_of_session on grades (session_id, at);
