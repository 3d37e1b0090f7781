-- The sessions are locked; only a claim can still come in between, and then keeps the task. One that was resumed is dead
-- again: what is dead does not vanish by itself, and nothing goes on from `expired`.
with held as materialized (
    select
        id,
        status,
        limits ->> case status when 'waiting' then 'waiting_seconds' else 'queue_seconds' end as seconds,
        jsonb_path_exists(changes, '$[*][1] ? (@ == "dead")') as resumed
    from tasks
    where id = any($1) and status in ('blocked', 'queued', 'waiting') and expires_at <= clock_timestamp()
    order by id
    for no key update skip locked
), told as (
    select
        id,
        case when resumed then 'dead' else 'expired' end as final,
        case when resumed then $8::text else 'expired' end as code,
        format(
            case status
                when 'waiting' then case when resumed then $5::text else $2::text end
                when 'blocked' then case when resumed then $7::text else $4::text end
                else case when resumed then $6::text else $3::text end
            end,
            seconds
        ) as why
    from held
)
update tasks t set
    status = told.final,
    reason = told.why,
    error = convert_to(jsonb_build_object('code', told.code, 'message', told.why)::text, 'UTF8'),
    changes = with_change(t.changes, t.journal_length, t.attempt, told.final, told.why),
    ended_at = statement_timestamp()
from told
where t.id = told.id
returning {task}
