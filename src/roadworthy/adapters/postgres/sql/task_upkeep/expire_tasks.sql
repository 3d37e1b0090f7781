-- The sessions are locked; only a claim can still come in between, and then keeps the task.
with held as materialized (
    select
        id,
        case status
            when 'waiting' then format($2::text, limits ->> 'waiting_seconds')
            when 'blocked' then format($4::text, limits ->> 'queue_seconds')
            else format($3::text, limits ->> 'queue_seconds')
        end as why
    from tasks
    where id = any($1) and status in ('blocked', 'queued', 'waiting') and expires_at <= clock_timestamp()
    order by id
    for no key update skip locked
)
update tasks t set
    status = 'expired',
    reason = held.why,
    error = convert_to(jsonb_build_object('code', 'expired', 'message', held.why)::text, 'UTF8'),
    changes = with_change(t.changes, t.journal_length, t.attempt, 'expired', held.why),
    ended_at = statement_timestamp()
from held
where t.id = held.id
returning {task}
