with kept as (
    insert into decisions (task_id, call_id, verdict, value, note, tenant, decider, at)
    values ($1, $2, $3, $4, $5, $6, $7, statement_timestamp())
    returning at
), told as (
    -- Who runs it may have read the decisions before.
    update tasks set decided_attempt = attempt where id = $1 and status = 'running'
)
select at from kept
