select b.scope, b.tenant, b.owner, l."limit", b.given, b.spent, b.refused_limit, budget_seconds_left(b.scope), 0::bigint
from unnest($1::text[], $2::bigint[]) as l (scope, "limit")
join budgets b on b.window_start = budget_window(l.scope, today_utc()) and b.scope = l.scope
where b.refused_limit is not null
