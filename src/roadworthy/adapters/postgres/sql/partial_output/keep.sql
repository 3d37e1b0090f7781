update tasks t set output = given.output
from unnest($1::uuid[], $2::bytea[]) as given (id, output)
where t.id = given.id
returning {task}
