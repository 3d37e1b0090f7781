select distinct b.session_id from tasks b
where b.status = 'blocked' and not exists (
    select from tasks o where o.session_id = b.session_id and o.status in ('queued', 'running', 'waiting')
)
limit $1
