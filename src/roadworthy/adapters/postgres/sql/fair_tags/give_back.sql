-- Tags of tasks that left the queue without being claimed ($1), or their lane with so many tags as $7 says: else whoever
-- cancels much, waits for longer than tasks may, or is moved away would come later and later. The owners of those that
-- draw next ($2, or with a 0 in $7) are locked too: all in one pass, sorted.
with concerned as (
    select lane, priority, tenant, owner, (id = any($1::uuid[]) and fair_tag > 0)::integer as unused from tasks
    where id = any($1::uuid[] || $2::uuid[])
    union all
    select * from unnest($3::text[], $4::smallint[], $5::text[], $6::text[], $7::integer[])
)
insert into owners as o (lane, priority, tenant, owner, last_tag, drawn)
select lane, priority, tenant, owner, -sum(unused), 0 from concerned
group by lane, priority, tenant, owner
order by lane, priority, tenant, owner
on conflict (lane, priority, tenant, owner) do update
    -- One without unused tags is only locked.
    set last_tag = o.last_tag + excluded.last_tag where excluded.last_tag < 0
