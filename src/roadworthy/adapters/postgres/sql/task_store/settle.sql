-- With $17, settlements of sessions with blocked tasks are left out: their release belongs into the same transaction. So are
-- tasks that were decided about while they ran and mean to wait: they go on, and need a new place in the queue.
with given as materialized (
    select * from unnest(
        $1::uuid[], $2::uuid[], $3::integer[], $4::uuid[], $5::text[], $6::text[], $7::bytea[], $8::bytea[],
        $9::jsonb[], $10::double precision[], $11::boolean[], $12::double precision[], $13::text[], $14::bytea[],
        $15::text[], $16::text[]
    ) as given (
        task_id, session_id, attempt, claim_token, status, reason, output, error,
        usage, run_after_seconds, counts_as_failure, running_seconds, framework, payload,
        tier, session_tier
    )
), held_sessions as materialized (
    select id from sessions
    where id = any($2) and not (has_blocked and $17)
    order by id
    for no key update
), held_tasks as materialized (
    select id, session_id, status, attempt, claim_token, cancel_requested_at, reason, decided_attempt from tasks
    where id = any(array(select task_id from given join held_sessions on held_sessions.id = given.session_id))
    order by id
    for no key update
), fenced as materialized (
    select
        given.*,
        held.cancel_requested_at is not null as cancelled,
        held.cancel_requested_at is not null and held.reason = $21 as interrupted,
        given.status = 'waiting' and coalesce(held.decided_attempt = held.attempt, false) as goes_on
    from held_tasks held join given
        on given.task_id = held.id and given.session_id = held.session_id
        and given.attempt = held.attempt and given.claim_token = held.claim_token
    where held.status = 'running'
), decided as materialized (
    select
        fenced.*,
        case
            when cancelled then 'cancelled'
            when (goes_on or status = 'queued') and attempt >= $18 then 'dead'
            when goes_on then 'queued'
            else status
        end as final
    from fenced
    where not (goes_on and $17)
), explained as materialized (
    select
        decided.*,
        final not in ('queued', 'waiting') as ended,
        payload is not null and final in ('succeeded', 'partial', 'cancelled') as keeps_turn,
        case
            when interrupted then $21
            when final = decided.status then decided.reason
            when final = 'cancelled' then $19
            when final = 'queued' then $22
            else $20
        end as why
    from decided
), left_sessions as (
    update sessions s set
        turns = s.turns + e.keeps_turn::integer,
        busy = false,
        tier = coalesce(s.tier, e.session_tier),
        updated_at = statement_timestamp()
    from explained e
    where s.id = e.session_id and e.ended
    returning s.id, s.turns - 1 as position, e.keeps_turn, e.task_id, e.framework, e.payload
), new_turns as (
    insert into turns (session_id, position, task_id, framework, payload)
    select id, position, task_id, framework, payload from left_sessions where keeps_turn
)
update tasks t set
    status = e.final,
    reason = e.why,
    output = coalesce(e.output, t.output),
    error = case
        when e.final = 'dead' and (e.error is null or e.goes_on)
        then convert_to(jsonb_build_object('code', 'started_too_often', 'message', e.why)::text, 'UTF8')
        when e.final = 'queued' and e.goes_on then null
        else e.error
    end,
    usage = coalesce(e.usage, t.usage),
    tier = coalesce(e.tier, t.tier),
    changes = with_change(t.changes, t.journal_length, t.attempt, e.final, e.why),
    running_seconds = t.running_seconds + e.running_seconds,
    failures = t.failures + e.counts_as_failure::integer,
    worker_id = null,
    fair_tag = case when e.final = 'queued' then 0 else t.fair_tag end,
    ready = e.run_after_seconds <= 0,
    run_after = statement_timestamp() + e.run_after_seconds * interval '1 second',
    expires_at = case e.final
        when 'queued' then statement_timestamp()
            + (t.limits ->> 'queue_seconds')::double precision * interval '1 second'
        when 'waiting' then statement_timestamp()
            + (t.limits ->> 'waiting_seconds')::double precision * interval '1 second'
    end,
    ended_at = case when e.ended then statement_timestamp() end
from explained e
where t.id = e.task_id
returning {task}
