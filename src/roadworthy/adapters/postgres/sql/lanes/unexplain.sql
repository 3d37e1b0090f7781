with first_ready as materialized (
    select id, reason from tasks where lane = $1 and status = 'queued' and ready
    order by priority desc, fair_tag, id
    limit $4
), held as materialized (
    select id from tasks
    where id = any(array(select id from first_ready where starts_with(reason, $2) limit $3))
        and lane = $1 and status = 'queued' and ready
    order by id
    for no key update skip locked
)
update tasks t set
    reason = null,
    changes = with_change(changes, journal_length, attempt, 'queued', null)
where id = any(array(select id from held))
returning {task}
