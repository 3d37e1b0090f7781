with held as materialized (
    select id from charges
    where task_id = $1 and attempt < $2
    order by id
    for no key update
)
update charges set state = 'uncertain', settled_at = statement_timestamp() where id = any(array(select id from held)) and state = 'open'
