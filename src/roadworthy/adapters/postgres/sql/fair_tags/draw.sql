-- Tags for tasks that may be claimed from now on; their rows are locked. One with a pause draws when that is over.
with requeued as materialized (
    select id, lane, priority, tenant, owner from tasks where id = any($1) and status = 'queued' and ready
), tags as (
    insert into owners as o (lane, priority, tenant, owner, last_tag, drawn)
    select r.lane, r.priority, r.tenant, r.owner, coalesce(max(l.claimed_tag), 0) + count(*), count(*)
    from requeued r left join lanes l on l.lane = r.lane and l.priority = r.priority
    group by r.lane, r.priority, r.tenant, r.owner
    order by r.lane, r.priority, r.tenant, r.owner
    on conflict (lane, priority, tenant, owner) do update
        set last_tag = greatest(o.last_tag + excluded.drawn, excluded.last_tag), drawn = excluded.drawn
    returning o.lane, o.priority, o.tenant, o.owner, o.last_tag - o.drawn as tag_before
), numbered as (
    select
        r.id,
        tags.tag_before + row_number() over (partition by r.lane, r.priority, r.tenant, r.owner order by r.id) as tag
    from requeued r join tags using (lane, priority, tenant, owner)
)
update tasks t set fair_tag = numbered.tag from numbered where t.id = numbered.id
