-- Slices are locked before budgets, both in order, wherever both are. The upsert locks a budget's row, decides by what is
-- in it then, and is the only one to know. A holder's late call finds a higher number in its slice and gets nothing; who has
-- no slice yet is told so, and gets nothing before there is one.
-- Rows are looked up one by one: a join, planned while the tables were small, would read all that the holder has.
with given as materialized (
    select given.*, budget_window(given.scope, today_utc()) as window_start
    from unnest($3::text[], $4::text[], $5::text[], $6::bigint[], $7::bigint[], $8::bigint[], $10::bigint[])
        with ordinality as given (scope, tenant, owner, "limit", at_least, at_most, refused_below, position)
    order by given.scope, given.tenant, given.owner
), held as materialized (
    select given.*, s.number, s.closed_at
    from given cross join lateral (
        select s.number, s.closed_at from budget_slices s
        where s.holder = $1 and s.day = today_utc()
            and s.scope = given.scope and s.tenant = given.tenant and s.owner = given.owner
        for no key update
    ) s
), asking as materialized (
    select * from held where number < $2 and closed_at is null
), drawn as (
    insert into budgets as b (
        window_start, scope, tenant, owner, given, "limit", at_least, at_most, granted, wanted_until, refused_limit
    )
    select
        window_start, scope, tenant, owner, first.granted, "limit", at_least, at_most, first.granted,
        case when "limit" < at_least then statement_timestamp() + $9::double precision * interval '1 second' end,
        case when "limit" < refused_below then "limit" end
    from asking cross join lateral budget_grant("limit", at_least, at_most) as first (granted)
    order by window_start, scope, tenant, owner
    on conflict (window_start, scope, tenant, owner) do update set
        "limit" = excluded."limit",
        granted = budget_grant(excluded."limit" - b.given, excluded.at_least, excluded.at_most),
        given = b.given + budget_grant(excluded."limit" - b.given, excluded.at_least, excluded.at_most),
        -- In an index, so not written anew by each of many that ask in vain.
        wanted_until = case
            when excluded."limit" - b.given < excluded.at_least
                and coalesce(b.wanted_until, '-infinity')
                    < statement_timestamp() + $9::double precision / 2 * interval '1 second'
            then statement_timestamp() + $9::double precision * interval '1 second'
            else b.wanted_until
        end,
        refused_limit = case
            when excluded."limit" - b.given < (
                select a.refused_below from asking a
                where a.scope = excluded.scope and a.tenant = excluded.tenant and a.owner = excluded.owner
            ) then greatest(b.refused_limit, excluded."limit")
            else b.refused_limit
        end
    returning b.scope, b.tenant, b.owner, b.granted, b.given, b.spent
), taken as (
    insert into budget_slices as s (holder, day, scope, tenant, owner, amount, number)
    select $1, today_utc(), scope, tenant, owner, granted, $2 from drawn
    order by scope, tenant, owner
    on conflict (holder, day, scope, tenant, owner) do update set
        amount = s.amount + excluded.amount, number = greatest(s.number, excluded.number)
)
select
    coalesce(drawn.granted, 0),
    today_utc(),
    budget_seconds_left('user_day'),
    budget_seconds_left(given.scope),
    greatest(given."limit" - coalesce(drawn.given, before.given, 0), 0),
    greatest(coalesce(drawn.given - drawn.spent, before.given - before.spent, 0), 0),
    given.position in (select position from held)
from given
left join drawn using (scope, tenant, owner)
left join lateral (
    select b.given, b.spent from budgets b
    where b.window_start = given.window_start
        and b.scope = given.scope and b.tenant = given.tenant and b.owner = given.owner
    offset 0
) before on true
order by given.position
