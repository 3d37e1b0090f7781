-- The sessions are locked, so none of these tasks can leave `running` in another way. The rows of their workers are
-- locked too: a heartbeat that is under way keeps its tasks, one that comes later finds its lease ended.
with lost_workers as materialized (
    select id from workers
    where id = any(array(select worker_id from tasks where id = any($1) and status = 'running'))
        and lease_expires_at <= clock_timestamp()
    for no key update skip locked
), ended as (
    update workers set lease_expires_at = '-infinity' where id = any(array(select id from lost_workers))
), held as materialized (
    select id, cancel_requested_at, failures, attempt from tasks t
    where id = any($1) and status = 'running'
        and (
            worker_id = any(array(select id from lost_workers))
            or not exists (select from workers w where w.id = t.worker_id)
        )
    order by id
    for no key update
), decided as materialized (
    select
        id,
        failures + 1 as failures,
        case
            when cancel_requested_at is not null then 'cancelled'
            when failures >= $2 or attempt >= $3 then 'dead'
            else 'queued'
        end as final
    from held
), explained as materialized (
    select
        id,
        final,
        failures,
        case final
            when 'cancelled' then $4::text
            when 'dead' then format($5::text, failures)
            else $6::text
        end as why
    from decided
)
update tasks t set
    status = e.final,
    reason = e.why,
    error = case
        when e.final = 'dead'
        then convert_to(jsonb_build_object('code', $7::text, 'message', e.why)::text, 'UTF8')
    end,
    changes = with_change(t.changes, t.journal_length, t.attempt, e.final, e.why),
    failures = e.failures,
    claim_token = null,
    worker_id = null,
    ready = true,
    run_after = statement_timestamp(),
    expires_at = statement_timestamp() + (t.limits ->> 'queue_seconds')::double precision * interval '1 second',
    ended_at = case when e.final <> 'queued' then statement_timestamp() end
from explained e
where t.id = e.id
returning {task}
