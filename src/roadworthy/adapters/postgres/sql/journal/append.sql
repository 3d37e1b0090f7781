-- The task rows are locked in order before anything is decided: without the lock a zombie could commit an entry that
-- the next attempt has not seen. Answers with what was written: not an entry whose fence is old or whose key was
-- there, and none beyond a full journal. `settled_charges.sql` is a part of it where entries bring charges.
with given as materialized (
    select * from unnest(
        $1::uuid[], $2::integer[], $3::uuid[], $4::text[], $5::text[], $6::bytea[], $7::bytea[], $9::jsonb[]
    ) with ordinality as given (task_id, attempt, claim_token, key, kind, payload, detail, usage, position)
), held as materialized (
    select id, status, attempt, claim_token, journal_length from tasks
    where id = any($1)
    order by id
    for no key update
), numbered as materialized (
    select
        given.*,
        -- Of two totals of one task the one with more calls is the later one; its write may be the earlier one.
        (given.usage ->> 'model_calls')::integer + (given.usage ->> 'tool_calls')::integer as calls,
        held.journal_length - 1 + row_number() over (partition by given.task_id order by given.position) as sequence
    from given join held
        on held.id = given.task_id and held.attempt = given.attempt and held.claim_token = given.claim_token
    where held.status = 'running'
), written as (
    insert into journal_entries (task_id, sequence, key, kind, attempt, payload, detail, at)
    select task_id, sequence, key, kind, attempt, payload, detail, statement_timestamp() from numbered
    where sequence < $8
    order by task_id, sequence
    on conflict (task_id, key) do nothing
    returning task_id, attempt, key, sequence
), grown as (
    update tasks t set journal_length = w.length, failures = 0, losses = 0, usage = case
        when w.calls > coalesce((t.usage ->> 'model_calls')::integer + (t.usage ->> 'tool_calls')::integer, -1)
        then w.usage
        else t.usage
    end
    from (
        select
            task_id,
            max(sequence) + 1 as length,
            max(calls) as calls,
            (array_agg(usage order by calls desc nulls last))[1] as usage
        from written join numbered using (task_id, sequence)
        group by task_id
    ) w
    where t.id = w.task_id
)
{settled_charges}
select task_id, attempt, key, sequence from written
