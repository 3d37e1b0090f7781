-- Its session stays with a task that waits, also when it is queued again.
update tasks t set
    status = 'queued',
    reason = $2,
    error = null,
    fair_tag = 0,
    ready = true,
    run_after = statement_timestamp(),
    changes = with_change(changes, journal_length, attempt, 'queued', $2),
    expires_at = statement_timestamp() + (limits ->> 'queue_seconds')::double precision * interval '1 second'
where t.id = $1 and t.status = 'waiting'
returning {task}
