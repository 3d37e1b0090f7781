-- One task whose session is locked and whose status is decided; a blocked one gets its tag when it is released.
with given as (
    select
        $1::uuid as id, $2::text as tenant, $3::text as owner, $4::uuid as session_id, $5::text as agent,
        $6::text as version, $7::text as lane, $8::text as input, $9::jsonb as limits, $10::bytea as metadata,
        $11::smallint as priority, $12::double precision as queue_seconds, $13::text as status,
        $14::integer as direction
), tag as (
    insert into owners as o (lane, priority, tenant, owner, last_tag, drawn)
    select g.lane, g.priority, g.tenant, g.owner, coalesce(l.claimed_tag, 0) + 1, 1
    from given g left join lanes l on l.lane = g.lane and l.priority = g.priority
    where g.status = 'queued'
    on conflict (lane, priority, tenant, owner) do update
        set last_tag = greatest(o.last_tag + 1, excluded.last_tag), drawn = 1
    returning last_tag
), marked as (
    update sessions s
    set busy = true, has_blocked = s.has_blocked or g.status = 'blocked', updated_at = statement_timestamp()
    from given g
    where s.id = g.session_id
)
insert into tasks as t (
    id, tenant, owner, session_id, agent, version, lane, priority, status, input, limits, metadata, fair_tag, place,
    changes, expires_at, created_at
)
select
    g.id, g.tenant, g.owner, g.session_id, g.agent, g.version, g.lane, g.priority, g.status, g.input, g.limits,
    g.metadata, coalesce((select last_tag from tag), 0),
    -- Microseconds, so that the oldest of those that queue goes first, and before it the newest that interrupts.
    (extract(epoch from clock_timestamp()) * 1000000)::bigint * g.direction,
    with_change('[]', 0, 0, g.status, null),
    statement_timestamp() + g.queue_seconds * interval '1 second',
    statement_timestamp()
from given g
returning {task}
