-- What was sent before something that arrived already changes nothing, nor does what is said of a closed slice. A slice of
-- nothing that is not there is made, lest a draw that arrives late gives money that its holder never hears of.
with given as materialized (
    select scope, tenant, owner, coalesce(day, today_utc()) as day, amount, spent
    from unnest($3::text[], $4::text[], $5::text[], $6::date[], $7::bigint[], $8::bigint[])
        as given (scope, tenant, owner, day, amount, spent)
), held as materialized (
    select
        s.day, s.scope, s.tenant, s.owner, s.number, s.closed_at,
        s.amount as amount_before,
        s.spent as spent_before,
        greatest(least(given.amount, s.amount), given.spent) as amount,
        given.spent
    from given join budget_slices s
        on s.holder = $1 and s.day = given.day
        and s.scope = given.scope and s.tenant = given.tenant and s.owner = given.owner
    order by s.day, s.scope, s.tenant, s.owner
    for no key update of s
), heard as materialized (
    select *, budget_window(scope, day) as window_start from held where number < $2 and closed_at is null
), said as (
    update budget_slices s set amount = heard.amount, spent = heard.spent, number = $2
    from heard
    where s.holder = $1 and s.day = heard.day
        and s.scope = heard.scope and s.tenant = heard.tenant and s.owner = heard.owner
), made as (
    insert into budget_slices (holder, day, scope, tenant, owner, number)
    select $1, day, scope, tenant, owner, $2 from given
    where amount = 0 and spent = 0
    order by day, scope, tenant, owner
    on conflict do nothing
), changed as materialized (
    select
        window_start, scope, tenant, owner,
        sum(amount - amount_before)::bigint as given,
        sum(spent - spent_before)::bigint as spent
    from heard
    where amount <> amount_before or spent <> spent_before
    group by window_start, scope, tenant, owner
), held_budgets as materialized (
    select b.window_start, b.scope, b.tenant, b.owner, changed.given, changed.spent
    from changed join budgets b using (window_start, scope, tenant, owner)
    order by b.window_start, b.scope, b.tenant, b.owner
    for no key update of b
), counted as (
    update budgets b set
        given = b.given + d.given,
        spent = b.spent + d.spent,
        refused_limit = budget_refused(b.refused_limit, b."limit", b.spent + d.spent)
    from held_budgets d
    where b.window_start = d.window_start and b.scope = d.scope and b.tenant = d.tenant and b.owner = d.owner
)
select b.scope, b.tenant, b.owner
from budgets b
where b.wanted_until > statement_timestamp()
    and exists (
        select from budget_slices s
        where s.holder = $1 and s.day = today_utc()
            and s.scope = b.scope and s.tenant = b.tenant and s.owner = b.owner and s.closed_at is null
    )
