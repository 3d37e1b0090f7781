select id, turns, created_at, updated_at from sessions where id = $1 and tenant = $2 and owner = $3
