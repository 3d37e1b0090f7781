-- In the words of two partial indexes: there is none over all of these.
select lane, sum(tasks)::bigint
from (
    select lane, count(*) as tasks from tasks where status in ('queued', 'running', 'waiting') group by lane
    union all
    select lane, count(*) as tasks from tasks where status = 'blocked' group by lane
) counted
group by lane
order by lane
