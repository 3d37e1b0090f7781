-- One that arrives late, after the worker's lease was ended, gives it no new one: its tasks are others' by now.
with forgotten as (
    delete from workers where last_seen < clock_timestamp() - interval '1 day'
)
insert into workers (id, lanes, host, process_id, started_at, last_seen, lease_expires_at)
select $1::uuid, $2::jsonb, $3::text, $4::integer, moment, moment, moment + $5::double precision * interval '1 second'
from clock_timestamp() as moment
on conflict (id) do update set
    lanes = excluded.lanes, last_seen = excluded.last_seen, lease_expires_at = excluded.lease_expires_at
where workers.lease_expires_at > '-infinity'
