-- Slices of nothing. Committed before anything is drawn or said, so that draws and reports find a row to lock: while one of them
-- waits for a budget, the other must not overtake it.
insert into budget_slices (holder, day, scope, tenant, owner, number)
select $1::uuid, coalesce(day, today_utc()), scope, tenant, owner, -1
from unnest($2::text[], $3::text[], $4::text[], $5::date[]) as given (scope, tenant, owner, day)
order by 1, 2, 3, 4, 5
on conflict (holder, day, scope, tenant, owner) do nothing
