-- The task rows are locked in order before anything is decided, as in the journal's append: the next attempt sees every
-- charge that this one was allowed. Answers with what may be called; a charge that was there already may.
with given as materialized (
    select * from unnest(
        $1::uuid[], $2::uuid[], $3::integer[], $4::uuid[], $5::text[], $6::integer[], $7::text[], $8::text[], $9::text[],
        $10::text[], $11::text[], $12::uuid[], $13::date[], $14::bigint[]
    ) as given (
        id, task_id, attempt, claim_token, key, generation, tenant, owner, agent, version, model, holder, day, estimate
    )
), held as materialized (
    select id, status, attempt, claim_token from tasks
    where id = any($2)
    order by id
    for no key update
), allowed as materialized (
    select given.* from given join held
        on held.id = given.task_id and held.attempt = given.attempt and held.claim_token = given.claim_token
    where held.status = 'running'
), written as (
    insert into charges (
        id, task_id, attempt, generation, key, tenant, owner, agent, version, model, holder, day, budgeted, estimate,
        state, at
    )
    select
        id, task_id, attempt, generation, key, tenant, owner, agent, version, model, holder,
        coalesce(day, today_utc()), day is not null, estimate, 'open', statement_timestamp()
    from allowed
    order by id
    on conflict (id) do nothing
)
select id from allowed
