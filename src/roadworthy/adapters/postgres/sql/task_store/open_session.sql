insert into sessions (id, tenant, owner, busy, created_at, updated_at)
values ($1, $2, $3, true, statement_timestamp(), statement_timestamp())
on conflict do nothing
