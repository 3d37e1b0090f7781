-- The task rows are locked in order before anything is decided: without the lock a zombie could commit an entry that
-- the next attempt has not seen. One row for each entry whose fence holds; without a sequence if it was not written,
-- because its key was there or the journal is full.
with given as materialized (
    select * from unnest(
        $1::uuid[], $2::integer[], $3::uuid[], $4::text[], $5::text[], $6::bytea[], $7::bytea[]
    ) with ordinality as given (task_id, attempt, claim_token, key, kind, payload, detail, position)
), held as materialized (
    select id, status, attempt, claim_token, journal_length from tasks
    where id = any($1)
    order by id
    for no key update
), numbered as materialized (
    select
        given.*,
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
    returning task_id, sequence
), grown as (
    update tasks t set journal_length = w.length, failures = 0
    from (select task_id, max(sequence) + 1 as length from written group by task_id) w
    where t.id = w.task_id and t.id = any($1)
)
select numbered.position, written.sequence
from numbered left join written using (task_id, sequence)
