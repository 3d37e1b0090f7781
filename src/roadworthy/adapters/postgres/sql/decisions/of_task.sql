select d.call_id, d.verdict, d.value, d.note, d.tenant, d.decider, d.at
from decisions d
where d.task_id = $1 and exists (select from tasks t where t.id = $1 and t.tenant = $2 and t.owner = $3)
order by d.at, d.call_id
