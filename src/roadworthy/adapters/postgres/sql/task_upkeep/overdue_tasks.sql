-- Not clock_timestamp(): only a time that stands still can be looked up in an index.
select id, session_id from tasks
where status in ('blocked', 'queued', 'waiting') and expires_at <= statement_timestamp()
order by expires_at
limit $1
