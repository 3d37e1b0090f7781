-- Nobody rescues anything from a worker that runs nothing, and so nobody ends its lease.
update workers w set lease_expires_at = '-infinity'
where id = any(array(
    select overdue.id from workers overdue
    where overdue.lease_expires_at < statement_timestamp() - $1::double precision * interval '1 second'
        and overdue.lease_expires_at > '-infinity'
        and (select true from budget_slices s where s.holder = overdue.id and s.closed_at is null limit 1)
        and (select true from tasks t where t.worker_id = overdue.id and t.status = 'running' limit 1) is null
    for no key update of overdue skip locked
))
