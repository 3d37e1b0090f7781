-- The sessions are locked. A statement of its own: the wall is a unique index, which is checked row by row, and only
-- a new snapshot shows what was submitted while the lock was waited for.
with open_tasks as materialized (
    select id, session_id, place, false as blocked from tasks
    where session_id = any($1) and status in ('queued', 'running', 'waiting')
    union all
    select id, session_id, place, true from tasks where session_id = any($1) and status = 'blocked'
), chosen as materialized (
    select distinct on (session_id) id, session_id from open_tasks o
    where not exists (select from open_tasks other where other.session_id = o.session_id and not other.blocked)
    order by session_id, place, id
), marked as (
    update sessions s set
        busy = exists (select from open_tasks o where o.session_id = s.id),
        has_blocked = exists (
            select from open_tasks o where o.session_id = s.id and o.blocked and o.id not in (select id from chosen)
        )
    where s.id = any($1)
)
update tasks t set
    status = 'queued',
    reason = null,
    ready = true,
    run_after = statement_timestamp(),
    changes = with_change(changes, journal_length, attempt, 'queued', null)
where t.id = any(array(select id from chosen)) and t.status = 'blocked'
returning {task}
