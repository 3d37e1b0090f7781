-- A worker that lives has a while to say what became of a call after its attempt ended. One that says it later is heard
-- all the same.
with lost as materialized (
    select c.id from charges c
    where c.state = 'open'
        and (
            c.at < statement_timestamp() - $1::double precision * interval '1 second'
            or (select true from workers w where w.id = c.holder and w.lease_expires_at > '-infinity') is null
        )
        and (select t.attempt = c.attempt and t.status = 'running' from tasks t where t.id = c.task_id) is not true
    order by c.id
    limit $2
    for no key update of c skip locked
)
update charges set state = 'uncertain', settled_at = statement_timestamp()
where id = any(array(select id from lost))
returning id
