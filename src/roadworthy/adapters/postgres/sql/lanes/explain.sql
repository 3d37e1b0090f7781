-- Only the first ones of a lane are looked at, so that this costs the same however many wait; and one that was told so
-- often has heard it: workers that come and go must not let its changes grow without end.
with first_ready as materialized (
    select id, reason, changes from tasks where lane = $1 and status = 'queued' and ready
    order by priority desc, fair_tag, id
    limit $5
), held as materialized (
    select id from tasks
    where id = any(array(
            select id from first_ready
            where reason is distinct from $3
                and (select count(*) from jsonb_array_elements(changes) told where starts_with(told ->> 2, $2)) < $6
            limit $4
        ))
        and lane = $1 and status = 'queued' and ready
    order by id
    for no key update skip locked
)
update tasks t set
    reason = $3,
    changes = with_change(changes, journal_length, attempt, 'queued', $3)
where id = any(array(select id from held))
returning {task}
