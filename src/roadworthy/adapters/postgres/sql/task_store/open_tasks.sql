select id, status from tasks where session_id = $1 and status in ('queued', 'running', 'waiting')
union all
(select id, status from tasks where session_id = $1 and status = 'blocked' order by place, id limit 1)
