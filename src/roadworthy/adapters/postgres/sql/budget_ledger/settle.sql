-- Answers with those that were open.
with given as materialized (
    select * from unnest($1::uuid[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[])
        as given (id, cost, input_tokens, output_tokens, cache_read_tokens)
    order by id
), held as materialized (
    select given.id
    from given cross join lateral (
        select c.state from charges c where c.id = given.id offset 0 for no key update
    ) c
    where c.state = 'open'
)
update charges c set
    state = case when given.cost is null then 'uncertain' else 'settled' end,
    cost = given.cost,
    input_tokens = given.input_tokens,
    output_tokens = given.output_tokens,
    cache_read_tokens = given.cache_read_tokens,
    settled_at = statement_timestamp()
from given
where c.id = given.id and c.id = any(array(select id from held))
returning c.id
