-- Their sessions need no lock: none of these enters or leaves one. What is claimed or cancelled meanwhile is seen under
-- the lock of its row and stays as it is.
with candidates as materialized (
    (
        select id from tasks where lane = $1 and status = 'queued' and ready
        order by priority desc, fair_tag, id
        limit $5
    )
    union all
    (select id from tasks where lane = $1 and status = 'queued' and not ready limit $5)
    union all
    (select id from tasks where lane = $1 and status = 'blocked' limit $5)
    limit $5
), held as materialized (
    select id from tasks
    where id = any(array(select id from candidates)) and lane = $1 and status in ('queued', 'blocked')
    order by id
    for no key update
)
update tasks t set
    version = $2,
    lane = $3,
    reason = $4,
    changes = with_change(changes, journal_length, attempt, status, $4),
    expires_at = statement_timestamp() + (limits ->> 'queue_seconds')::double precision * interval '1 second'
where id = any(array(select id from held))
returning {task}
