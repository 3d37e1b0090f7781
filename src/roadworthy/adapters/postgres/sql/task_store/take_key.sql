insert into idempotency_keys (tenant, owner, key, digest, task_id, created_at)
values ($1, $2, $3, $4, $5, statement_timestamp())
on conflict do nothing
returning true
