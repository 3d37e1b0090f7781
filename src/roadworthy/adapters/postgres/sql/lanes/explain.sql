-- Only the first ones of a lane are looked at, so that this costs the same however many wait.
with first_ready as materialized (
    select id, reason from tasks where lane = $1 and status = 'queued' and ready
    order by priority desc, fair_tag, id
    limit $5
), held as materialized (
    select id from tasks
    where id = any(array(select id from first_ready where starts_with(reason, $2) is not true limit $4))
        and lane = $1 and status = 'queued' and ready
    order by id
    for no key update skip locked
)
update tasks t set
    reason = $3,
    changes = with_change(changes, journal_length, attempt, 'queued', $3)
where id = any(array(select id from held))
returning {task}
