select exists (select from tasks where session_id = $1 and status in ('queued', 'running', 'waiting'))
    or exists (select from tasks where session_id = $1 and status = 'blocked')
