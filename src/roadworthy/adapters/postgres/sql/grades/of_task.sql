select g.task_id, g.source, g.mark, g.enough, g.note, g.given_by, g.at
from tasks t left join grades g on g.task_id = t.id
where t.id = $1 and t.tenant = $2 and t.owner = $3
order by g.source
