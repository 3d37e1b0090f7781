select id, turns, created_at, updated_at from sessions
where tenant = $1 and owner = $2 and ($3::uuid is null or id < $3)
order by id desc
limit $4
