select e.sequence, e.key, e.kind, e.attempt, e.payload, e.detail, e.at
from journal_entries e
where e.task_id = $1 and e.sequence >= $2
    and exists (select from tasks t where t.id = $1 and t.tenant = $3 and t.owner = $4)
order by e.sequence
