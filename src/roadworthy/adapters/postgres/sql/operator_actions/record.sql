-- Actions of one operator, in the transaction of what they changed; one row for each id.
insert into operator_actions (id, at, tenant, operator, action, task_id, lane, detail, note)
select given.id, statement_timestamp(), $2, $3, $4, given.task_id, given.lane, given.detail, $8
from unnest($1::uuid[], $5::uuid[], $6::text[], $7::jsonb[]) as given (id, task_id, lane, detail)
