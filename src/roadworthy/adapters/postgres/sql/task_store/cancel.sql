-- Its session is locked. A claim may come in between: what is decided here is decided on the latest row. With $3 a task
-- that runs on says so already now: whoever ends it repeats that reason.
update tasks t set
    status = case when status = 'running' then status else 'cancelled' end,
    reason = case when status = 'running' and (cancel_requested_at is not null or not $3) then reason else $2 end,
    changes = case
        when status = 'running' then changes
        else with_change(changes, journal_length, attempt, 'cancelled', $2)
    end,
    ended_at = case when status = 'running' then ended_at else statement_timestamp() end,
    cancel_requested_at = coalesce(cancel_requested_at, statement_timestamp())
where id = $1 and status in ('blocked', 'queued', 'running', 'waiting')
returning {task}
