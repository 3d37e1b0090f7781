-- Those of holders that are gone, and of days that are over, unless a call is under way on them; and then their budgets.
with recursive holders as (
    -- One look into the index for each holder: they have many slices.
    (select holder from budget_slices where closed_at is null order by holder limit 1)
    union all
    select (
        select s.holder from budget_slices s where s.closed_at is null and s.holder > h.holder order by s.holder limit 1
    )
    from holders h
    where h.holder is not null
), judged as materialized (
    select
        h.holder,
        case
            when (select true from workers w where w.id = h.holder and w.lease_expires_at > '-infinity') is null
                and (select true from tasks t where t.worker_id = h.holder and t.status = 'running' limit 1) is null
            then 'infinity'::date
            else ((statement_timestamp() - $1::double precision * interval '1 second') at time zone 'UTC')::date
        end as ended_before
    from holders h
    where h.holder is not null
), under_way as materialized (
    select distinct holder, day from charges where state = 'open'
), ended as materialized (
    select s.*
    from judged cross join lateral (
        select s.holder, s.day, s.scope, s.tenant, s.owner from budget_slices s
        where s.holder = judged.holder and s.closed_at is null and s.day < judged.ended_before
            and (s.holder, s.day) not in (select holder, day from under_way)
        limit $2
    ) s
    order by 1, 2, 3, 4, 5
    limit $2
), held as materialized (
    select ended.*
    from ended cross join lateral (
        select s.closed_at from budget_slices s
        where s.holder = ended.holder and s.day = ended.day
            and s.scope = ended.scope and s.tenant = ended.tenant and s.owner = ended.owner
        offset 0
        for no key update skip locked
    ) s
    where s.closed_at is null
), covered as materialized (
    select distinct budget_window(scope, day) as window_start, scope, tenant, owner from held order by 1, 2, 3, 4
), held_budgets as materialized (
    select from covered c cross join lateral (
        select from budgets b
        where b.window_start = c.window_start and b.scope = c.scope and b.tenant = c.tenant and b.owner = c.owner
        for no key update
    ) b
)
select holder, day, scope, tenant, owner from held where (select count(*) from held_budgets) >= 0
