-- The slices that uncertain charges were taken from, and then their budgets. Whoever closes a slice adds its charges up
-- under the same locks, so none is counted with the old cost there and with the new one here.
with taken_from as materialized (
    select distinct c.holder, c.day, covering.*
    from charges c cross join lateral budgets_of(c.tenant, c.owner, c.day) as covering
    where c.id = any($1) and c.budgeted and c.state = 'uncertain'
), held as materialized (
    select s.day, s.scope, s.tenant, s.owner
    from taken_from f join budget_slices s
        on s.holder = f.holder and s.day = f.day
        and s.scope = f.scope and s.tenant = f.budget_tenant and s.owner = f.budget_owner
    order by s.holder, s.day, s.scope, s.tenant, s.owner
    for no key update of s
)
select from budgets
where (window_start, scope, tenant, owner) in (select budget_window(scope, day), scope, tenant, owner from held)
order by window_start, scope, tenant, owner
for no key update
