-- What people decide about tool calls.

-- The attempt under which somebody decided last while it ran: if it means to wait, it goes on instead. On the task's own
-- row, because a settlement that waited for that row's lock sees this row as it is then, and others as they were before.
alter table tasks add column decided_attempt integer;
-- Tasks that wait for a person. Its words are such that their list can use no other index: a planner that guesses wrong how
-- many of them wait would walk along all tasks, or all that wait for other code.
create index tasks_undecided on tasks (uuid_send(id))
    where coalesce(status = 'waiting' and error_code(error) is distinct from 'journal_mismatch', false);

create table decisions (
    task_id uuid not null,
    -- The key of the call's result in the journal.
    call_id text not null,
    verdict text not null check (verdict in ('approve', 'deny', 'done', 'not_done')),
    value bytea,
    note text,
    tenant text not null,
    decider text not null,
    at timestamptz not null
);
-- Whether a call may be made is decided once, and what came of it once.
create unique index decisions_once on decisions (task_id, call_id, (verdict in ('approve', 'deny')));
