-- A holder counts for itself what its calls cost, as long as its slice is open; of what others put right ($6) it does not
-- know.
with given as materialized (
    select * from unnest($1::uuid[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[])
        as given (id, cost, input_tokens, output_tokens, cache_read_tokens)
    order by id
), held as materialized (
    select given.id
    from given cross join lateral (
        select c.state from charges c where c.id = given.id offset 0 for no key update
    ) c
    where c.state = 'uncertain'
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
    where c.id = given.id and c.id = any(array(select id from held))
    returning c.*
), differences as materialized (
    select
        c.holder, c.day, covering.scope, covering.budget_tenant as tenant, covering.budget_owner as owner,
        sum(c.cost - c.estimate)::bigint as difference
    from settled c cross join lateral budgets_of(c.tenant, c.owner, c.day) as covering
    where c.budgeted
    group by 1, 2, 3, 4, 5
), known as materialized (
    select d.*
    from differences d cross join lateral (
        select s.closed_at from budget_slices s
        where s.holder = d.holder and s.day = d.day
            and s.scope = d.scope and s.tenant = d.tenant and s.owner = d.owner
        offset 0
    ) s
    where s.closed_at is not null or $6
), moved as (
    insert into budget_slices as s (holder, day, scope, tenant, owner, corrected, number)
    select holder, day, scope, tenant, owner, difference, 0 from known
    order by 1, 2, 3, 4, 5
    on conflict (holder, day, scope, tenant, owner) do update set
        amount = s.amount + case when s.closed_at is null then 0 else excluded.corrected end,
        spent = s.spent + case when s.closed_at is null then 0 else excluded.corrected end,
        corrected = s.corrected + case when s.closed_at is null then excluded.corrected else 0 end
), counted as (
    insert into budgets as b (window_start, scope, tenant, owner, given, spent)
    select
        budget_window(scope, day), scope, tenant, owner, sum(difference)::bigint, sum(difference)::bigint
    from known
    group by 1, 2, 3, 4
    order by 1, 2, 3, 4
    on conflict (window_start, scope, tenant, owner) do update set
        given = b.given + excluded.given,
        spent = b.spent + excluded.spent,
        refused_limit = budget_refused(b.refused_limit, b."limit", b.spent + excluded.spent)
)
select {charge} from settled c
