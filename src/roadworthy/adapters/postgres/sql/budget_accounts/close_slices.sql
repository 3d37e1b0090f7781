-- Down to what their charges say, in a statement of its own: it sees all that was settled before the locks were there.
with ended as materialized (
    select * from unnest($1::uuid[], $2::date[], $3::text[], $4::text[], $5::text[])
        as ended (holder, day, scope, tenant, owner)
), days as materialized (
    select distinct holder, day from ended
), charged as materialized (
    -- Each charge is read once, not once for each of the slices.
    select c.holder, c.day, c.tenant, c.owner, sum(case c.state when 'settled' then c.cost else c.estimate end) as spent
    from days join charges c using (holder, day)
    where c.budgeted and c.state <> 'open'
    group by 1, 2, 3, 4
), sums as materialized (
    select
        charged.holder, charged.day,
        covering.scope, covering.budget_tenant as tenant, covering.budget_owner as owner,
        sum(charged.spent)::bigint as spent
    from charged cross join lateral budgets_of(charged.tenant, charged.owner, charged.day) as covering
    group by 1, 2, 3, 4, 5
), known as materialized (
    select
        s.holder, s.day, s.scope, s.tenant, s.owner,
        s.amount + s.corrected as amount_before,
        s.spent + s.corrected as spent_before,
        coalesce(sums.spent, 0) as spent
    from ended join budget_slices s using (holder, day, scope, tenant, owner)
    left join sums using (holder, day, scope, tenant, owner)
), closed as (
    update budget_slices s set
        amount = known.spent, spent = known.spent, corrected = 0, closed_at = statement_timestamp()
    from known
    where s.holder = known.holder and s.day = known.day
        and s.scope = known.scope and s.tenant = known.tenant and s.owner = known.owner
)
update budgets b set
    given = b.given + d.given,
    spent = b.spent + d.spent,
    refused_limit = budget_refused(b.refused_limit, b."limit", b.spent + d.spent)
from (
    select
        budget_window(scope, day) as window_start, scope, tenant, owner,
        sum(spent - amount_before)::bigint as given,
        sum(spent - spent_before)::bigint as spent
    from known
    group by 1, 2, 3, 4
) d
where b.window_start = d.window_start and b.scope = d.scope and b.tenant = d.tenant and b.owner = d.owner
