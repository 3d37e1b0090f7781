-- The condition of `domain.budget.is_used_up`, besides the percentage. Of two at once the first to insert has told.
insert into budget_alerts (window_start, scope, tenant, owner, percent, "limit", spent, at)
select b.window_start, b.scope, b.tenant, b.owner, percent, l."limit", b.spent, statement_timestamp()
from unnest($1::text[], $2::bigint[]) as l (scope, "limit")
cross join lateral (
    select b.* from budgets b
    where b.window_start = budget_window(l.scope, today_utc()) and b.scope = l.scope
        -- Most have reached nothing.
        and (b.spent * 100 >= l."limit" * ($3::smallint[])[1] or b.refused_limit is not null)
    offset 0
) b
cross join unnest($3::smallint[]) as percent
where (
        b.spent * 100 >= l."limit" * percent
        or (b.refused_limit >= l."limit" and b.given <= b.spent and (l."limit" - b.spent) * $4::integer <= l."limit")
    )
    and (
        select true from budget_alerts a
        where a.window_start = b.window_start and a.scope = b.scope
            and a.tenant = b.tenant and a.owner = b.owner and a.percent = percent.percent
    ) is null
order by b.window_start, b.scope, b.tenant, b.owner, percent
limit $5
on conflict do nothing
returning scope, tenant, owner, percent, window_start, at, "limit", spent
