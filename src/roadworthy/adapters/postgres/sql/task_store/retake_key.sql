update idempotency_keys set digest = $4, task_id = $5, created_at = statement_timestamp()
where tenant = $1 and owner = $2 and key = $3 and task_id = $6
returning true
