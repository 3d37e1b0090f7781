-- Down to what their charges say, in a statement of its own: it sees all that was settled before the locks were there.
with ended as materialized (
    select * from unnest($1::uuid[], $2::date[], $3::text[], $4::text[], $5::text[])
        as ended (holder, day, scope, tenant, owner)
), days as materialized (
    select distinct holder, day from ended
), charged as materialized (
    -- Each charge is read once, not once for each of the slices.
    select days.holder, days.day, c.tenant, c.owner, c.spent
    from days cross join lateral (
        select c.tenant, c.owner, sum(case c.state when 'settled' then c.cost else c.estimate end) as spent
        from charges c
        where c.holder = days.holder and c.day = days.day and c.budgeted and c.state <> 'open'
        group by c.tenant, c.owner
    ) c
), sums as materialized (
    select
        charged.holder, charged.day,
        covering.scope, covering.budget_tenant as tenant, covering.budget_owner as owner,
        sum(charged.spent)::bigint as spent
    from charged cross join lateral budgets_of(charged.tenant, charged.owner, charged.day) as covering
    group by 1, 2, 3, 4, 5
), known as materialized (
    select
        ended.*,
        s.amount + s.corrected as amount_before,
        s.spent + s.corrected as spent_before,
        coalesce(sums.spent, 0) as spent
    from ended cross join lateral (
        select s.amount, s.spent, s.corrected from budget_slices s
        where s.holder = ended.holder and s.day = ended.day
            and s.scope = ended.scope and s.tenant = ended.tenant and s.owner = ended.owner
        offset 0
    ) s
    left join sums using (holder, day, scope, tenant, owner)
), closed as (
    insert into budget_slices (holder, day, scope, tenant, owner, amount, spent, number, closed_at)
    select holder, day, scope, tenant, owner, spent, spent, 0, statement_timestamp() from known
    order by 1, 2, 3, 4, 5
    on conflict (holder, day, scope, tenant, owner) do update set
        amount = excluded.amount, spent = excluded.spent, corrected = 0, closed_at = excluded.closed_at
)
insert into budgets as b (window_start, scope, tenant, owner, given, spent)
select
    budget_window(scope, day), scope, tenant, owner,
    sum(spent - amount_before)::bigint,
    sum(spent - spent_before)::bigint
from known
group by 1, 2, 3, 4
order by 1, 2, 3, 4
on conflict (window_start, scope, tenant, owner) do update set
    given = b.given + excluded.given,
    spent = b.spent + excluded.spent,
    refused_limit = budget_refused(b.refused_limit, b."limit", b.spent + excluded.spent)
