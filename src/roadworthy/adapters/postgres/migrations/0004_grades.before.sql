-- How hard requests are: what was decided, and what people and evaluations say of the answers.

-- Held from the first task that was routed on: a switch of models throws the provider's prompt cache away.
alter table sessions add column tier text check (tier in ('simple', 'moderate', 'complex'));
-- Whose models answered the task.
alter table tasks add column tier text check (tier in ('simple', 'moderate', 'complex'));

-- One grade for each task and source; the last one counts.
create table grades (
    -- Rises with each grade given, so that readers can go on from where they were.
    id uuid not null unique,
    task_id uuid not null,
    session_id uuid not null,
    source text not null check (source in ('user', 'operator', 'eval')),
    grade text check (grade in ('good', 'bad')),
    -- The cheapest tier that would have been enough, where somebody says so.
    enough text check (enough in ('simple', 'moderate', 'complex')),
    note text,
    given_by text not null,
    at timestamptz not null,
    primary key (task_id, source),
    check (grade is not null or enough is not null)
);
create index grades_of_session on grades (session_id);
