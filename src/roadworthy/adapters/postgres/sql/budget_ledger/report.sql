-- What was sent before something that arrived already changes nothing, nor does what is said of a closed slice.
with given as materialized (
    select scope, tenant, owner, coalesce(day, today_utc()) as day, amount, spent
    from unnest($3::text[], $4::text[], $5::text[], $6::date[], $7::bigint[], $8::bigint[])
        as given (scope, tenant, owner, day, amount, spent)
    order by 4, scope, tenant, owner
), held as materialized (
    select
        given.scope, given.tenant, given.owner, given.day, s.number, s.closed_at,
        s.amount as amount_before,
        s.spent as spent_before,
        greatest(least(given.amount, s.amount), given.spent) as amount,
        given.spent
    from given cross join lateral (
        select s.number, s.closed_at, s.amount, s.spent from budget_slices s
        where s.holder = $1 and s.day = given.day
            and s.scope = given.scope and s.tenant = given.tenant and s.owner = given.owner
        for no key update
    ) s
), heard as materialized (
    select * from held where number < $2 and closed_at is null
), said as (
    insert into budget_slices as s (holder, day, scope, tenant, owner, amount, spent, number)
    select $1, day, scope, tenant, owner, amount, spent, $2 from heard
    order by 2, 3, 4, 5
    on conflict (holder, day, scope, tenant, owner) do update set
        amount = excluded.amount, spent = excluded.spent, number = excluded.number
), counted as (
    insert into budgets as b (window_start, scope, tenant, owner, given, spent)
    select
        budget_window(scope, day) as window_start, scope, tenant, owner,
        sum(amount - amount_before)::bigint,
        sum(spent - spent_before)::bigint
    from heard
    where amount <> amount_before or spent <> spent_before
    group by 1, 2, 3, 4
    order by 1, 2, 3, 4
    on conflict (window_start, scope, tenant, owner) do update set
        given = b.given + excluded.given,
        spent = b.spent + excluded.spent,
        refused_limit = budget_refused(b.refused_limit, b."limit", b.spent + excluded.spent)
)
select b.scope, b.tenant, b.owner
from (select * from budgets where wanted_until > statement_timestamp() offset 0) b
where (
    select s.closed_at is null from budget_slices s
    where s.holder = $1 and s.day = today_utc() and s.scope = b.scope and s.tenant = b.tenant and s.owner = b.owner
)
