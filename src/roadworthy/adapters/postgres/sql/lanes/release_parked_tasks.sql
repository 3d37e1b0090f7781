-- A worker that was there before the claim that ended here may be the one whose code did not match: only one that has
-- started since is news, also if it came while the task still ran elsewhere. In the words of an index that has nothing
-- else, from the lanes of such workers: it costs the same however many tasks wait.
with started as materialized (
    select served.lane, extract(epoch from max(w.started_at))::double precision as moment
    from workers w cross join lateral jsonb_each(w.lanes) as served (lane, code)
    where w.lease_expires_at > statement_timestamp() and jsonb_typeof(served.code) = 'string'
    group by served.lane
), parked as materialized (
    select t.id, t.seen
    from started cross join lateral (
        select id, jsonb_array_length(changes) as seen from tasks
        where lane = started.lane and status = 'waiting' and error_code(error) = 'journal_mismatch'
            and (changes -> -2 ->> 3)::double precision < started.moment
            and attempt < $1
        order by (changes -> -2 ->> 3)::double precision
        limit $3
    ) t
    limit $3
), held as materialized (
    select t.id from tasks t join parked using (id)
    -- One that has changed since is another's. Said without its status, which would lead to an index over all that wait.
    where t.id = any(array(select id from parked)) and jsonb_array_length(t.changes) = parked.seen
    order by t.id
    for no key update of t skip locked
)
update tasks t set
    status = 'queued',
    reason = $2,
    error = null,
    ready = true,
    run_after = statement_timestamp(),
    changes = with_change(changes, journal_length, attempt, 'queued', $2),
    expires_at = statement_timestamp() + (limits ->> 'queue_seconds')::double precision * interval '1 second'
where id = any(array(select id from held))
returning {task}
