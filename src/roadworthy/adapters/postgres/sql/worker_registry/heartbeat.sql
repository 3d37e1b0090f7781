-- The clock is read again after the row's lock was waited for: a rescue that came first ends the lease.
with beat as (
    update workers set
        last_seen = clock_timestamp(),
        lease_expires_at = clock_timestamp() + $2::double precision * interval '1 second'
    where id = $1 and lease_expires_at > clock_timestamp()
    returning id
)
select id, array(
    select t.id from tasks t where t.worker_id = $1 and t.status = 'running' and t.cancel_requested_at is not null
)
from beat
