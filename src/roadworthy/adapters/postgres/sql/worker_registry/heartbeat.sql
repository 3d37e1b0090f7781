-- A lease that ran out, while the store was away perhaps, goes on unless a rescue ended it: whoever has the row's lock
-- first decides.
with beat as (
    update workers set
        last_seen = clock_timestamp(),
        lease_expires_at = clock_timestamp() + $2::double precision * interval '1 second'
    where id = $1 and lease_expires_at > '-infinity'
    returning id
)
select id, array(
    select t.id from tasks t where t.worker_id = $1 and t.status = 'running' and t.cancel_requested_at is not null
)
from beat
