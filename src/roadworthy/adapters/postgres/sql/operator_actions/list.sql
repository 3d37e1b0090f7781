select id, at, tenant, operator, action, task_id, lane, detail, note from operator_actions
where ($1::uuid is null or id < $1)
order by id desc
limit $2
