-- A first look: what is found here is checked again under the locks.
select id, session_id from tasks
where status = 'running'
    and worker_id <> all(array(select id from workers where lease_expires_at > statement_timestamp()))
limit $1
