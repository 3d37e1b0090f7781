-- Replies that may answer questions like the one that led to them. A cache: it may be emptied at any time.

-- Narrow, for it is read from end to end for each question of a place.
create table similar_questions (
    id uuid primary key,
    place bytea not null,
    facts bytea not null,
    -- The signs of the vector's numbers: how many differ says how far apart two questions are.
    sketch bit varying not null,
    as_of timestamptz not null,
    used_at timestamptz not null,
    expires_at timestamptz not null
) with (fillfactor = 90, autovacuum_vacuum_scale_factor = 0.05);
create index similar_questions_of_place on similar_questions (place, facts);
create index similar_questions_used on similar_questions (place, used_at);
create index similar_questions_expiring on similar_questions (expires_at);

create table similar_replies (
    id uuid primary key,
    question text not null,
    vector bytea not null,
    -- Questions with the same one were answered alike.
    answer uuid not null,
    confirmed integer not null default 0,
    reply bytea not null
) with (fillfactor = 90);

-- What was kept under a mark as of before is gone.
create table similarity_drops (
    mark text primary key,
    at timestamptz not null
);

create table similarity_lessons (
    family bytea primary key,
    counts bigint[] not null
) with (fillfactor = 50);
