-- The slices that charges were taken from, and then their budgets. Whoever closes a slice adds its charges up under the
-- same locks, so none is counted with the old cost there and with the new one here.
with taken_from as materialized (
    select distinct c.holder, c.day, covering.scope, covering.budget_tenant as tenant, covering.budget_owner as owner
    from charges c cross join lateral budgets_of(c.tenant, c.owner, c.day) as covering
    where c.id = any($1) and c.budgeted
    order by 1, 2, 3, 4, 5
), held as materialized (
    select f.day, f.scope, f.tenant, f.owner
    from taken_from f cross join lateral (
        select from budget_slices s
        where s.holder = f.holder and s.day = f.day
            and s.scope = f.scope and s.tenant = f.tenant and s.owner = f.owner
        for no key update
    ) s
), covered as materialized (
    select distinct budget_window(scope, day) as window_start, scope, tenant, owner from held order by 1, 2, 3, 4
)
select from covered c cross join lateral (
    select from budgets b
    where b.window_start = c.window_start and b.scope = c.scope and b.tenant = c.tenant and b.owner = c.owner
    for no key update
) b
