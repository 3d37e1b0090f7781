select id from sessions where id = $1 and tenant = $2 and owner = $3 for update
