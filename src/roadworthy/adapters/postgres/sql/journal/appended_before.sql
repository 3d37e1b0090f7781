-- A statement of its own: the one before may have waited for the task's lock with a snapshot from before that. Only
-- while the fence is still on the row, running or settled: to be told that "started" is written is the right to act.
-- Without a sequence for an entry that is not there although it may be written.
select given.task_id, given.attempt, given.key, e.sequence
from unnest($1::uuid[], $2::text[], $3::integer[], $4::uuid[]) as given (task_id, key, attempt, claim_token)
join tasks t on t.id = given.task_id and t.attempt = given.attempt and t.claim_token = given.claim_token
left join journal_entries e on e.task_id = given.task_id and e.key = given.key and e.attempt = given.attempt
where e.sequence is not null or t.status = 'running'
