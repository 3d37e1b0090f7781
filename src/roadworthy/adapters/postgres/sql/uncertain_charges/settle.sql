-- A holder counts for itself what its calls cost, as long as its slice is open; of what others put right ($6) it does not
-- know.
with given as materialized (
    select * from unnest($1::uuid[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[])
        as given (id, cost, input_tokens, output_tokens, cache_read_tokens)
), settled as (
    update charges c set
        state = 'settled',
        cost = given.cost,
        -- Who corrects a cost knows nothing of tokens.
        input_tokens = greatest(given.input_tokens, c.input_tokens),
        output_tokens = greatest(given.output_tokens, c.output_tokens),
        cache_read_tokens = greatest(given.cache_read_tokens, c.cache_read_tokens),
        settled_at = statement_timestamp()
    from given
    where c.id = given.id and c.state = 'uncertain'
    returning c.*
), differences as materialized (
    select
        c.holder, c.day, covering.scope, covering.budget_tenant as tenant, covering.budget_owner as owner,
        sum(c.cost - c.estimate)::bigint as difference
    from settled c cross join lateral budgets_of(c.tenant, c.owner, c.day) as covering
    where c.budgeted
    group by 1, 2, 3, 4, 5
), moved as (
    update budget_slices s set
        amount = s.amount + case when s.closed_at is null then 0 else d.difference end,
        spent = s.spent + case when s.closed_at is null then 0 else d.difference end,
        corrected = s.corrected + case when s.closed_at is null then d.difference else 0 end
    from differences d
    where s.holder = d.holder and s.day = d.day and s.scope = d.scope and s.tenant = d.tenant and s.owner = d.owner
        and (s.closed_at is not null or $6)
    returning s.day, s.scope, s.tenant, s.owner, d.difference
), counted as (
    update budgets b set
        given = b.given + d.difference,
        spent = b.spent + d.difference,
        refused_limit = budget_refused(b.refused_limit, b."limit", b.spent + d.difference)
    from (
        select budget_window(scope, day) as window_start, scope, tenant, owner, sum(difference)::bigint as difference
        from moved
        group by 1, 2, 3, 4
    ) d
    where b.window_start = d.window_start and b.scope = d.scope and b.tenant = d.tenant and b.owner = d.owner
)
select {charge} from settled c
