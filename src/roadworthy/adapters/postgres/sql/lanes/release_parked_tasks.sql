-- A worker that was there before the claim that ended here may be the one whose code did not match: only one that has
-- started since is news, also if it came while the task still ran elsewhere.
with held as materialized (
    select t.id from tasks t
    where t.status = 'waiting' and error_code(t.error) = $1
        and exists (
            select from workers w
            where w.lease_expires_at > statement_timestamp()
                and w.started_at > to_timestamp((t.changes -> -2 ->> 3)::double precision)
                and jsonb_typeof(w.lanes -> t.lane) = 'string'
        )
    order by t.id
    limit $3
    for no key update skip locked
)
update tasks t set
    status = 'queued',
    reason = $2,
    error = null,
    ready = true,
    run_after = statement_timestamp(),
    changes = with_change(changes, journal_length, attempt, 'queued', $2),
    expires_at = statement_timestamp() + (limits ->> 'queue_seconds')::double precision * interval '1 second'
where id = any(array(select id from held)) and status = 'waiting'
returning {task}
