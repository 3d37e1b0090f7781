-- Tasks whose session is new or free. One that is missing from the answer needs a closer look: its session is busy,
-- its key or its id was there before. Locks: sessions, keys, owners, tasks.
with given as materialized (
    select * from unnest(
        $1::uuid[], $2::text[], $3::text[], $4::uuid[], $5::text[], $6::text[], $7::text[], $8::text[], $9::jsonb[],
        $10::bytea[], $11::smallint[], $12::double precision[], $13::boolean[], $14::text[], $15::bytea[]
    ) with ordinality as given (
        id, tenant, owner, session_id, agent, version, lane, input, limits,
        metadata, priority, queue_seconds, opens_session, key, digest, position
    )
), free_sessions as materialized (
    select id, tenant, owner from sessions
    where id = any($4) and not busy and not has_blocked
    order by id
    for no key update
), eligible as materialized (
    select * from given
    where id <> all(array(select tasks.id from tasks where tasks.id = any($1)))
        and (
            opens_session
            or exists (
                select from free_sessions free
                where free.id = given.session_id and free.tenant = given.tenant and free.owner = given.owner
            )
        )
), new_keys as (
    insert into idempotency_keys (tenant, owner, key, digest, task_id, created_at)
    select tenant, owner, key, digest, id, statement_timestamp() from eligible
    where key is not null
    order by tenant, owner, key
    on conflict do nothing
    returning task_id
), admitted as materialized (
    select * from eligible where key is null or id in (select task_id from new_keys)
), opened as (
    insert into sessions (id, tenant, owner, busy, created_at, updated_at)
    select session_id, tenant, owner, true, statement_timestamp(), statement_timestamp() from admitted
    where opens_session
    order by session_id
    on conflict do nothing
    returning id
), entered as (
    update sessions set busy = true, updated_at = statement_timestamp()
    where id = any(array(select session_id from admitted where not opens_session))
    returning id
), accepted as materialized (
    select * from admitted where session_id in (select id from opened union all select id from entered)
), tags as (
    insert into owners as o (lane, priority, tenant, owner, last_tag, drawn)
    select a.lane, a.priority, a.tenant, a.owner, coalesce(max(l.claimed_tag), 0) + count(*), count(*)
    from accepted a left join lanes l on l.lane = a.lane and l.priority = a.priority
    group by a.lane, a.priority, a.tenant, a.owner
    order by a.lane, a.priority, a.tenant, a.owner
    on conflict (lane, priority, tenant, owner) do update
        set last_tag = greatest(o.last_tag + excluded.drawn, excluded.last_tag), drawn = excluded.drawn
    returning o.lane, o.priority, o.tenant, o.owner, o.last_tag - o.drawn as tag_before
)
insert into tasks (
    id, tenant, owner, session_id, agent, version, lane, priority, status, input, limits, metadata, fair_tag, place,
    changes, expires_at, created_at
)
select
    a.id, a.tenant, a.owner, a.session_id, a.agent, a.version, a.lane, a.priority, 'queued', a.input, a.limits,
    a.metadata,
    tags.tag_before + row_number() over (partition by a.lane, a.priority, a.tenant, a.owner order by a.position),
    0,
    with_change('[]', 0, 0, 'queued', null),
    statement_timestamp() + a.queue_seconds * interval '1 second',
    statement_timestamp()
from accepted a join tags using (lane, priority, tenant, owner)
order by a.id
on conflict (id) do nothing
returning id, created_at
