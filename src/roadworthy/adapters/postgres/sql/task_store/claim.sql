-- The top few of each lane, merged: sorting over many lanes reads them all.
with picked as materialized (
    select top.id, top.lane, top.priority, top.fair_tag
    from unnest($2::text[]) as wanted (lane)
    cross join lateral (
        select id, lane, priority, fair_tag from tasks
        where lane = wanted.lane and status = 'queued' and ready
        order by priority desc, fair_tag, id
        limit $3
        for no key update skip locked
    ) top
    where exists (select from workers where id = $1 and lease_expires_at > clock_timestamp())
    order by top.priority desc, top.fair_tag, top.id
    limit $3
), virtual_time as (
    insert into lanes (lane, priority, claimed_tag)
    select lane, priority, max(fair_tag) from picked group by lane, priority order by lane, priority
    on conflict (lane, priority) do update set claimed_tag = excluded.claimed_tag
        where lanes.claimed_tag < excluded.claimed_tag
), claimed as (
    update tasks t set
        status = 'running',
        reason = null,
        attempt = attempt + 1,
        claim_token = gen_random_uuid(),
        worker_id = $1,
        started_at = coalesce(started_at, statement_timestamp()),
        changes = with_change(changes, journal_length, attempt + 1, 'running', null)
    where id = any(array(select id from picked))
    returning {task}, t.claim_token, t.fair_tag
)
select c.*, s.turns
from claimed c join sessions s on s.id = c.session_id
order by c.priority desc, c.fair_tag, c.id
