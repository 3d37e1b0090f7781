update tasks t set
    status = 'discarded',
    reason = $3,
    changes = with_change(t.changes, t.journal_length, t.attempt, 'discarded', $3),
    ended_at = statement_timestamp()
where t.id = $1 and t.status = 'dead' and jsonb_array_length(t.changes) = $2
returning {task}
