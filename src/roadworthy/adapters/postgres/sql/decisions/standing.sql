-- The task is locked. A statement of its own: the one before may have waited with a snapshot from before that.
select
    exists (select from journal_entries e where e.task_id = $1 and e.key = $2),
    extract(epoch from clock_timestamp())::double precision,
    d.verdict, d.value, d.note, d.tenant, d.decider, d.at
from (select) once
left join decisions d on d.task_id = $1 and d.call_id = $2 and (d.verdict in ('approve', 'deny')) = $3
