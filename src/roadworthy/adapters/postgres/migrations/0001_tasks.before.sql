-- Columns that are written often are kept out of indexes, so that most updates stay on their page (HOT). There are no
-- foreign keys: every insert would lock its parents once more; sessions are deleted in one place, under their lock.

create table sessions (
    id uuid primary key,
    tenant text not null,
    owner text not null,
    turns integer not null default 0,
    -- Hints under the row's lock. `busy` may say true of a free session, `has_blocked` of one without blocked tasks;
    -- neither ever says false wrongly for longer than the unique index below lets it.
    busy boolean not null,
    has_blocked boolean not null default false,
    created_at timestamptz not null,
    updated_at timestamptz not null
) with (fillfactor = 80);
create index sessions_of_owner on sessions (tenant, owner, id);

create table tasks (
    id uuid primary key,
    tenant text not null,
    owner text not null,
    session_id uuid not null,
    agent text not null,
    version text not null,
    lane text not null,
    priority smallint not null check (priority between 0 and 9),
    status text not null check (status in (
        'blocked', 'queued', 'running', 'waiting', 'succeeded', 'partial', 'cancelled', 'expired', 'dead', 'discarded'
    )),
    reason text,
    input text not null,
    limits jsonb not null,
    metadata bytea not null,
    fair_tag bigint not null,
    -- Among the blocked tasks of its session: the lowest is released first.
    place bigint not null,
    -- False for a queued task whose `run_after` has not come.
    ready boolean not null default true,
    run_after timestamptz,
    attempt integer not null default 0,
    failures integer not null default 0,
    claim_token uuid,
    worker_id uuid,
    journal_length integer not null default 0,
    -- [[event number, status, reason, seconds since 1970], …]
    changes jsonb not null,
    output bytea,
    error bytea,
    usage jsonb,
    running_seconds double precision not null default 0,
    cancel_requested_at timestamptz,
    expires_at timestamptz,
    created_at timestamptz not null,
    started_at timestamptz,
    ended_at timestamptz
) with (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.05);
create unique index tasks_session_wall on tasks (session_id) where status in ('queued', 'running', 'waiting');
create index tasks_claimable on tasks (lane, priority desc, fair_tag, id) where status = 'queued' and ready;
create index tasks_not_due on tasks (run_after) where status = 'queued' and not ready;
create index tasks_blocked on tasks (session_id, place, id) where status = 'blocked';
create index tasks_running on tasks (worker_id) where status = 'running';
create index tasks_expiring on tasks (expires_at) where status in ('blocked', 'queued', 'waiting');
create index tasks_of_owner on tasks (tenant, owner, id);
create index tasks_of_session on tasks (session_id, id);

create table journal_entries (
    task_id uuid not null,
    sequence integer not null,
    key text not null,
    kind text not null,
    attempt integer not null,
    payload bytea not null,
    detail bytea not null,
    at timestamptz not null,
    primary key (task_id, sequence),
    unique (task_id, key)
);

create table turns (
    session_id uuid not null,
    position integer not null,
    task_id uuid not null,
    framework text not null,
    payload bytea not null,
    primary key (session_id, position)
);

create table idempotency_keys (
    tenant text not null,
    owner text not null,
    key text not null,
    digest bytea not null,
    task_id uuid not null,
    created_at timestamptz not null,
    primary key (tenant, owner, key)
);

create table workers (
    id uuid primary key,
    lanes jsonb not null,
    host text not null,
    process_id integer not null,
    started_at timestamptz not null,
    last_seen timestamptz not null,
    lease_expires_at timestamptz not null
) with (fillfactor = 20);

create table duties (
    name text primary key,
    next_run timestamptz not null,
    last_run timestamptz not null,
    resumed_at timestamptz not null
) with (fillfactor = 20);

-- Fair queueing in virtual time: a task's tag is one more than its owner's last tag or the highest claimed one.
create table owners (
    lane text not null,
    priority smallint not null,
    tenant text not null,
    owner text not null,
    last_tag bigint not null,
    -- How many tags the last statement drew: lets one upsert serve a batch.
    drawn bigint not null,
    primary key (lane, priority, tenant, owner)
) with (fillfactor = 50);

create table lanes (
    lane text not null,
    priority smallint not null,
    claimed_tag bigint not null,
    primary key (lane, priority)
) with (fillfactor = 10);

-- `changes` and one more; its event number as in `domain/event.py`, with `attempt` already counted.
create function with_change(changes jsonb, journal_length integer, attempt integer, status text, reason text)
    returns jsonb language sql stable parallel safe
    return changes || jsonb_build_array(jsonb_build_array(
        (journal_length::bigint << 38) | (attempt::bigint << 28)
            | case when status = 'running' then 0 else (63::bigint << 22) | jsonb_array_length(changes) end,
        status,
        reason,
        extract(epoch from statement_timestamp())
    ));
