-- What is uncertain is added up for those that are shown, of their own window.
with fullest as materialized (
    select l.scope, b.tenant, b.owner, l."limit", b.given, b.spent, b.refused_limit, b.window_start
    from unnest($1::text[], $2::bigint[]) as l (scope, "limit")
    cross join lateral (
        select b.* from budgets b
        where b.window_start = budget_window(l.scope, today_utc()) and b.scope = l.scope
            and (b.given <> 0 or b.spent <> 0)
        offset 0
    ) b
    order by b.given::double precision / nullif(l."limit", 0) desc nulls first, l.scope, b.tenant, b.owner
    limit $3
), uncertain as materialized (
    select covering.scope, covering.budget_tenant as tenant, covering.budget_owner as owner, sum(c.estimate) as estimate
    from charges c cross join lateral budgets_of(c.tenant, c.owner, c.day) as covering
    where c.state = 'uncertain' and c.budgeted
        and c.day >= (select min(window_start) from fullest)
        and covering.window_start = budget_window(covering.scope, today_utc())
    group by 1, 2, 3
)
select
    f.scope, f.tenant, f.owner, f."limit", f.given, f.spent, f.refused_limit,
    budget_seconds_left(f.scope), coalesce(u.estimate, 0)::bigint
from fullest f left join uncertain u using (scope, tenant, owner)
order by f.given::double precision / nullif(f."limit", 0) desc nulls first, f.scope, f.tenant, f.owner
