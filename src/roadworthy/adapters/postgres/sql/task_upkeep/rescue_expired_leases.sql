-- The sessions are locked, so none of these tasks can leave `running` in another way. The rows of their workers are
-- locked too: a heartbeat that is under way keeps its tasks, one that comes later finds its lease ended.
with lost_workers as materialized (
    select id, suspects from workers
    where id = any(array(select worker_id from tasks where id = any($1) and status = 'running'))
        and lease_expires_at <= clock_timestamp()
    for no key update skip locked
), judged as materialized (
    -- Lost with their worker, and not for the first time: one of them may be what brings workers down. Whoever takes
    -- the first task of a worker writes all of them down, for those who take the rest when others are gone already.
    select
        lost.worker_id,
        coalesce(known.suspects, array(
            select s.id from tasks s
            where s.status = 'running' and s.worker_id = lost.worker_id and s.losses > 0 and s.cancel_requested_at is null
            order by s.losses, s.id
        )) as suspects
    from (select distinct worker_id from tasks where id = any($1) and status = 'running') lost
    left join lost_workers known on known.id = lost.worker_id
), ended as (
    update workers w set lease_expires_at = '-infinity', suspects = judged.suspects
    from judged
    where w.id = judged.worker_id and w.id = any(array(select id from lost_workers))
), held as materialized (
    -- It ran from its claim, which is its last change of status, to its worker's last sign of life.
    select
        id,
        worker_id,
        cancel_requested_at,
        reason,
        failures,
        losses,
        attempt,
        greatest(
            extract(epoch from (select last_seen from workers w where w.id = t.worker_id))::double precision
                - (changes -> -1 ->> 3)::double precision,
            0
        ) as ran_seconds
    from tasks t
    where id = any($1) and status = 'running'
        and (
            worker_id = any(array(select id from lost_workers))
            or not exists (select from workers w where w.id = t.worker_id)
        )
    order by id
    for no key update
), suspected as materialized (
    -- Half of them, those that were lost most often, wait until the others got on, so that soon each is lost alone or
    -- not at all.
    select h.id, cardinality(j.suspects) as together, array_position(j.suspects, h.id) as place
    from held h join judged j on j.worker_id = h.worker_id
    where h.losses > 0 and h.id = any(j.suspects)
), decided as materialized (
    select
        h.id,
        h.failures + 1 as failures,
        h.ran_seconds,
        h.reason,
        coalesce(s.place > (s.together + 1) / 2, false) as waits,
        case
            when h.cancel_requested_at is not null then 'cancelled'
            when h.attempt >= $3 then 'dead'
            -- Without any retries asked for, nobody waits to find out.
            when h.failures >= $2 and ($2 = 0 or s.together = 1) then 'dead'
            else 'queued'
        end as final
    from held h left join suspected s on s.id = h.id
), explained as materialized (
    select
        id,
        final,
        failures,
        ran_seconds,
        waits and final = 'queued' as waits,
        case when waits then $8::double precision else 0 end * interval '1 second' as pause,
        case final
            when 'cancelled' then case when reason = $9 then $9 else $4::text end
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
    losses = t.losses + 1,
    running_seconds = t.running_seconds + e.ran_seconds,
    claim_token = null,
    worker_id = null,
    fair_tag = case when e.waits then 0 else t.fair_tag end,
    ready = not e.waits,
    run_after = statement_timestamp() + e.pause,
    expires_at = statement_timestamp() + e.pause
        + (t.limits ->> 'queue_seconds')::double precision * interval '1 second',
    ended_at = case when e.final <> 'queued' then statement_timestamp() end
from explained e
where t.id = e.id
returning {task}
