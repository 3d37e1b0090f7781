-- The claim token stays on the row until somebody else takes the task: it tells a repeated settlement.
select {task}
from unnest($1::uuid[], $2::integer[], $3::uuid[]) as given (task_id, attempt, claim_token)
join tasks t on t.id = given.task_id and t.attempt = given.attempt and t.claim_token = given.claim_token
where t.status <> 'running'
