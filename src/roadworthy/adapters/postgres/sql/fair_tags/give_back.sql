-- Tags of tasks that left the queue without being claimed ($1): else whoever cancels much, or waits for longer than
-- tasks may, would come later and later. The owners of those that draw next ($2) are locked too: all in one pass, sorted.
with unused as materialized (
    select
        lane,
        priority,
        tenant,
        owner,
        count(*) filter (where id = any($1) and fair_tag > 0) as tags
    from tasks
    where id = any($1::uuid[] || $2::uuid[])
    group by lane, priority, tenant, owner
), held as materialized (
    select lane, priority, tenant, owner, unused.tags
    from owners o join unused using (lane, priority, tenant, owner)
    order by lane, priority, tenant, owner
    for no key update of o
)
update owners o set last_tag = o.last_tag - held.tags
from held
where held.tags > 0
    and (o.lane, o.priority, o.tenant, o.owner) = (held.lane, held.priority, held.tenant, held.owner)
