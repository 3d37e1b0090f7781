-- One index descent a lane: PostgreSQL's own `distinct` would read every queued task.
with recursive found (lane) as (
    (select lane from tasks where status = 'queued' and ready order by lane limit 1)
    union all
    select (
        select t.lane from tasks t
        where t.status = 'queued' and t.ready and t.lane > found.lane
        order by t.lane limit 1
    )
    from found where found.lane is not null
)
select lane from found where lane is not null
