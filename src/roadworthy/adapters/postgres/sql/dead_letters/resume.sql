-- Its session is locked: what holds it stays, and nothing new comes in. A task that has changed since it was seen is
-- left alone. Without the claim token nothing of its last attempt is answered any more.
with there as materialized (
    select
        exists (select from tasks where session_id = $2 and status in ('queued', 'running', 'waiting'))
        or exists (select from tasks where session_id = $2 and status = 'blocked') as others
), resumed as (
    update tasks t set
        status = case when there.others then 'blocked' else 'queued' end,
        reason = $4,
        input = $5,
        limits = $6::jsonb,
        version = $7,
        lane = $8,
        generation = t.generation + $9::boolean::integer,
        running_seconds = case when $9 then 0 else t.running_seconds end,
        output = case when $9 then null else t.output end,
        error = null,
        failures = 0,
        losses = 0,
        claim_token = null,
        worker_id = null,
        cancel_requested_at = null,
        ready = true,
        run_after = statement_timestamp(),
        -- Behind what its session has now, as a new message.
        place = (extract(epoch from clock_timestamp()) * 1000000)::bigint,
        expires_at = statement_timestamp() + $10::double precision * interval '1 second',
        ended_at = null,
        changes = with_change(
            t.changes, t.journal_length, t.attempt, case when there.others then 'blocked' else 'queued' end, $4
        )
    from there
    where t.id = $1 and t.session_id = $2 and t.status = 'dead' and jsonb_array_length(t.changes) = $3
    returning t.*
), marked as (
    update sessions s
    set busy = true, has_blocked = s.has_blocked or r.status = 'blocked', updated_at = statement_timestamp()
    from resumed r
    where s.id = r.session_id
)
select
    {task},
    exists (
        select from workers w
        where coalesce(jsonb_typeof(w.lanes -> t.lane), 'null') <> 'null' and w.lease_expires_at > clock_timestamp()
    )
from resumed t
