-- Where no entry brings a charge this would cost a tenth of the statement's time. Charges are settled whatever becomes of
-- their entries; tasks are locked before charges everywhere.
, charged as materialized (
    select * from unnest($10::uuid[], $11::bigint[], $12::bigint[], $13::bigint[], $14::bigint[], $15::bigint[])
        as charged (id, cost, input_tokens, output_tokens, cache_read_tokens, position)
    order by id
), open_charges as materialized (
    select charged.id
    from charged cross join lateral (
        select c.state from charges c where c.id = charged.id offset 0 for no key update
    ) c
    where c.state = 'open'
), settled as (
    update charges c set
        state = case when charged.cost is null then 'uncertain' else 'settled' end,
        cost = charged.cost,
        journaled = c.id = any(array(
            select charged.id from written join numbered using (task_id, sequence) join charged using (position)
        )),
        input_tokens = charged.input_tokens,
        output_tokens = charged.output_tokens,
        cache_read_tokens = charged.cache_read_tokens,
        settled_at = statement_timestamp()
    from charged
    where c.id = charged.id and c.id = any(array(select id from open_charges))
)
