select {task}, k.digest from idempotency_keys k join tasks t on t.id = k.task_id
where k.tenant = $1 and k.owner = $2 and k.key = $3
