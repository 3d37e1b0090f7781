-- Its session stays with a task that waits, also when it is queued again. One that was started as often as a task may be
-- goes on waiting.
with held as materialized (
    select id from tasks
    where lane = $1 and status = 'waiting' and error_code(error) = 'journal_mismatch' and attempt < $6
    order by id
    limit $5
    for no key update
)
update tasks t set
    status = 'queued',
    version = $2,
    lane = $3,
    reason = $4,
    error = null,
    ready = true,
    run_after = statement_timestamp(),
    changes = with_change(changes, journal_length, attempt, 'queued', $4),
    expires_at = statement_timestamp() + (limits ->> 'queue_seconds')::double precision * interval '1 second'
where id = any(array(select id from held))
returning {task}, false
