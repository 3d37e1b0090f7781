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
), gone as materialized (
    select
        h.holder,
        not exists (select from workers w where w.id = h.holder and w.lease_expires_at > '-infinity')
            and not exists (select from tasks t where t.worker_id = h.holder and t.status = 'running') as is_gone
    from holders h
    where h.holder is not null
), under_way as materialized (
    select distinct holder, day from charges where state = 'open'
), held as materialized (
    select s.holder, s.day, s.scope, s.tenant, s.owner
    from gone join budget_slices s
        on s.holder = gone.holder and s.closed_at is null
        and s.day < case
            when gone.is_gone then 'infinity'::date
            else ((statement_timestamp() - $1::double precision * interval '1 second') at time zone 'UTC')::date
        end
    where not exists (select from under_way u where u.holder = s.holder and u.day = s.day)
    order by s.holder, s.day, s.scope, s.tenant, s.owner
    limit $2
    for no key update of s skip locked
), held_budgets as materialized (
    select from budgets
    where (window_start, scope, tenant, owner) in (select budget_window(scope, day), scope, tenant, owner from held)
    order by window_start, scope, tenant, owner
    for no key update
)
select holder, day, scope, tenant, owner from held, (select count(*) from held_budgets) as locked
