-- None of these enters or leaves its session, and yet the sessions are locked: whoever cancels or expires a task locks
-- another one of its session after it, in no order but theirs. What is claimed meanwhile is seen under the lock of its
-- row and stays as it is.
with candidates as materialized (
    (
        select id, session_id from tasks where lane = $1 and status = 'queued' and ready
        order by priority desc, fair_tag, id
        limit $5
    )
    union all
    (select id, session_id from tasks where lane = $1 and status = 'queued' and not ready limit $5)
    union all
    (select id, session_id from tasks where lane = $1 and status = 'blocked' limit $5)
    limit $5
), held_sessions as materialized (
    select id from sessions
    where id = any(array(select session_id from candidates))
    order by id
    for no key update
), held as materialized (
    select id from tasks
    where id = any(array(select c.id from candidates c join held_sessions s on s.id = c.session_id))
        and lane = $1 and status in ('queued', 'blocked')
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
-- And whether it had a tag in the lane that it has left.
returning {task}, t.status = 'queued' and t.ready
