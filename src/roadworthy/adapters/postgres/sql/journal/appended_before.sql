select given.position, e.sequence
from unnest($1::uuid[], $2::text[], $3::integer[], $4::integer[]) as given (task_id, key, attempt, position)
join journal_entries e on e.task_id = given.task_id and e.key = given.key and e.attempt = given.attempt
