-- A statement of its own: the one before may have waited for the task's lock with a snapshot from before that. Without
-- a sequence for entries that are not there although their fence holds.
select given.task_id, given.attempt, given.key, e.sequence
from unnest($1::uuid[], $2::text[], $3::integer[], $4::uuid[]) as given (task_id, key, attempt, claim_token)
left join journal_entries e on e.task_id = given.task_id and e.key = given.key and e.attempt = given.attempt
where e.sequence is not null or exists (
    select from tasks t
    where t.id = given.task_id and t.attempt = given.attempt and t.claim_token = given.claim_token
        and t.status = 'running'
)
