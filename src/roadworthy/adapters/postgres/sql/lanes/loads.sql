-- Ready tasks are counted in their index alone, without looking at a row. That index has ids and no times: in a lane
-- with few of them the oldest is read from the rows, in others it is as old as the first id.
-- Undecided tasks are found step by step, since only so their own index is certain to be used: how many there are no
-- planner knows.
with recursive undecided_one as (
    (
        select id, lane from tasks
        where coalesce(status = 'waiting' and error_code(error) is distinct from 'journal_mismatch', false)
        order by uuid_send(id)
        limit 1
    )
    union all
    select following.id, following.lane
    from undecided_one, lateral (
        select t.id, t.lane from tasks t
        where coalesce(t.status = 'waiting' and error_code(t.error) is distinct from 'journal_mismatch', false)
            and uuid_send(t.id) > uuid_send(undecided_one.id)
        order by uuid_send(t.id)
        limit 1
    ) as following
), undecided as materialized (
    select lane, count(*) as tasks from undecided_one group by lane
), parked as materialized (
    select lane, count(*) as tasks from tasks
    where status = 'waiting' and error_code(error) = 'journal_mismatch'
    group by lane
), ready as materialized (
    select lane, count(*) as tasks, min(id::text collate "C") as first_id from tasks
    where status = 'queued' and ready
    group by lane
), paused as materialized (
    select lane, count(*) as tasks from tasks where status = 'queued' and not ready group by lane
), running as materialized (
    select lane, count(*) as tasks from tasks where status = 'running' group by lane
), serving as materialized (
    select
        served.lane,
        count(*) filter (
            where w.lease_expires_at > statement_timestamp() and jsonb_typeof(served.code) <> 'null'
        ) as workers,
        max(w.last_seen) as last_seen
    from workers w cross join lateral jsonb_each(w.lanes) as served (lane, code)
    group by served.lane
), waiting_since as materialized (
    select
        lane,
        case
            when tasks <= $1 then (
                select min(greatest(t.created_at, t.run_after)) from tasks t
                where t.lane = ready.lane and t.status = 'queued' and t.ready
            )
            else to_timestamp(('x' || translate(left(first_id, 13), '-', ''))::bit(48)::bigint / 1000.0)
        end as moment
    from ready
), loads as materialized (
    select
        lane,
        coalesce(ready.tasks, 0) as queued,
        coalesce(running.tasks, 0) as running,
        coalesce(paused.tasks, 0) as paused,
        coalesce(undecided.tasks, 0) as undecided,
        coalesce(parked.tasks, 0) as parked,
        greatest(extract(epoch from statement_timestamp() - waiting_since.moment), 0) as oldest_seconds,
        coalesce(serving.workers, 0) as workers,
        extract(epoch from statement_timestamp() - serving.last_seen) as unseen_seconds
    from ready
    full join running using (lane)
    full join paused using (lane)
    full join undecided using (lane)
    full join parked using (lane)
    full join serving using (lane)
    left join waiting_since using (lane)
    where ready.tasks > 0 or running.tasks > 0 or paused.tasks > 0 or undecided.tasks > 0 or parked.tasks > 0
        or serving.workers > 0
)
select
    lane,
    queued,
    running,
    coalesce(oldest_seconds, 0)::double precision,
    workers,
    case
        -- Without a trace of any worker, which `least` passes over, since the first task came.
        when workers = 0 and queued > 0 then greatest(least(oldest_seconds, unseen_seconds), 0)
        else 0
    end::double precision as unserved_seconds,
    paused,
    undecided,
    parked
from loads
order by lane collate "C"
