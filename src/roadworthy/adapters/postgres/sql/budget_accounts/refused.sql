select l.scope, b.tenant, b.owner, l."limit", b.given, b.spent, b.refused_limit, budget_seconds_left(l.scope), 0::bigint
from unnest($1::text[], $2::bigint[]) as l (scope, "limit")
cross join lateral (
    select b.* from budgets b
    where b.window_start = budget_window(l.scope, today_utc()) and b.scope = l.scope and b.refused_limit is not null
    offset 0
) b
