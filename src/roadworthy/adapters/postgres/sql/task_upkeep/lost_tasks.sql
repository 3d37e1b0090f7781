select t.id, t.session_id from tasks t
where t.status = 'running'
    and not exists (select from workers w where w.id = t.worker_id and w.lease_expires_at > clock_timestamp())
limit $1
