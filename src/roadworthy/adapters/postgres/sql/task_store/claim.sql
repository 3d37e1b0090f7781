with worker as materialized (
    select lanes from workers where id = $1 and lease_expires_at > clock_timestamp()
), wanted as materialized (
    -- A lane of an older version is left to workers of that version while one takes its tasks.
    select given.lane, given.begins
    from worker cross join unnest($2::text[], $5::bigint[]) as given (lane, begins)
    where
        -- A null says that the worker has withdrawn.
        jsonb_typeof(worker.lanes -> given.lane) is distinct from 'null'
        and (
            jsonb_typeof(worker.lanes -> given.lane) is distinct from 'object'
            or not exists (
                select from workers other
                where other.lease_expires_at > clock_timestamp()
                    and jsonb_typeof(other.lanes -> given.lane) = 'string'
            )
        )
), first_look as materialized (
    -- The top few of each lane, merged: sorting over many lanes reads them all. Without locks: they would be that many
    -- times the lanes.
    select lane, count(*) as share
    from (
        select top.lane
        from wanted
        cross join lateral (
            select lane, priority, fair_tag, id from tasks
            where lane = wanted.lane and status = 'queued' and ready and fair_tag >= wanted.begins
            order by priority desc, fair_tag, id
            limit $3
        ) top
        order by top.priority desc, top.fair_tag, top.id
        limit $3
    ) merged
    group by lane
), picked as materialized (
    -- That many of each lane, less what others claim meanwhile: a claim that was full posts a ticket for the rest.
    select top.id, top.lane, top.priority, top.fair_tag
    from first_look join wanted using (lane)
    cross join lateral (
        select id, lane, priority, fair_tag from tasks
        where lane = wanted.lane and status = 'queued' and ready and fair_tag >= wanted.begins
        order by priority desc, fair_tag, id
        limit first_look.share
        for no key update skip locked
    ) top
), reached_tags as (
    -- Also of lanes that nothing was taken from, so that tags of different lanes can be compared.
    insert into lanes (lane, priority, claimed_tag)
    select wanted.lane, reached.priority, reached.tag
    from wanted
    cross join (select priority, max(fair_tag) as tag from picked group by priority) reached
    left join lanes known on known.lane = wanted.lane and known.priority = reached.priority
    where known.claimed_tag is null or known.claimed_tag < reached.tag
    order by wanted.lane, reached.priority
    on conflict (lane, priority) do update set claimed_tag = excluded.claimed_tag
        where lanes.claimed_tag < excluded.claimed_tag
), claimed as (
    update tasks t set
        status = 'running',
        reason = $4::text || (select lanes -> t.lane ->> 'version' from worker),
        attempt = attempt + 1,
        claim_token = gen_random_uuid(),
        worker_id = $1,
        started_at = coalesce(started_at, statement_timestamp()),
        changes = with_change(
            changes, journal_length, attempt + 1, 'running', $4::text || (select lanes -> t.lane ->> 'version' from worker)
        )
    where id = any(array(select id from picked))
    returning {task}, t.claim_token, t.fair_tag
)
select c.*, s.turns, s.tier as session_tier
from claimed c join sessions s on s.id = c.session_id
order by c.priority desc, c.fair_tag, c.id
