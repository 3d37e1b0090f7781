select id, input, created_at, output, coalesce(ended_at, created_at) from tasks
where session_id = $1 and tenant = $2 and owner = $3
order by id
