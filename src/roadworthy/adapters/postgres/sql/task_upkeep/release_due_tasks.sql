-- Not clock_timestamp(): only a time that stands still can be looked up in an index.
with due as materialized (
    select id from tasks
    where status = 'queued' and not ready and run_after <= statement_timestamp()
    order by run_after
    limit $1
    for no key update skip locked
)
update tasks t set ready = true where id = any(array(select id from due)) returning {task}
