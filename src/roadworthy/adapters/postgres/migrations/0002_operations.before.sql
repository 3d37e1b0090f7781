-- What operators do to tasks and lanes, and what that needs of a task.

-- How often the task was started over. Journal keys of a generation above 0 begin with its number: `1/m3`.
alter table tasks add column generation integer not null default 0;
-- How often it was lost with its worker since its journal grew last.
alter table tasks add column losses integer not null default 0;
-- Of a lost worker: which of its tasks had been lost before, those that were lost most often last.
alter table workers add column suspects uuid[];
-- `status` changes with each entry and leaving of this index, so it costs no update its place on its page.
create index tasks_dead on tasks (id) where status = 'dead';

-- Written in the transaction of what it tells of, and kept when the task is deleted.
create table operator_actions (
    id uuid primary key,
    at timestamptz not null,
    tenant text not null,
    operator text not null,
    action text not null,
    task_id uuid,
    lane text,
    detail jsonb not null,
    note text
);
create index operator_actions_of_task on operator_actions (task_id, id) where task_id is not null;

-- The code of a task's error, `{"code": "…", …}`, from its beginning. Not by way of jsonb: what people and providers wrote
-- in the rest need not be valid there.
create function error_code(error bytea) returns text language sql immutable parallel safe
    return case split_part(encode(substring(error for 120), 'escape'), '"', 2)
        when 'code' then split_part(encode(substring(error for 120), 'escape'), '"', 4)
    end;

-- Tasks whose code did not match their journal, by when they were claimed: `changes` ends with that claim and its end.
create index tasks_parked on tasks (lane, ((changes -> -2 ->> 3)::double precision))
    where status = 'waiting' and error_code(error) = 'journal_mismatch';
