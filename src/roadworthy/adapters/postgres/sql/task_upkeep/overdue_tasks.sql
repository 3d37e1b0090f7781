select id, session_id from tasks
where status in ('blocked', 'queued', 'waiting') and expires_at <= clock_timestamp()
order by expires_at
limit $1
