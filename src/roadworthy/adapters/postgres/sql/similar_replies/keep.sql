-- With each reply that comes, who is one too many leaves.
with kept as (
    insert into similar_questions (id, place, facts, sketch, as_of, used_at, expires_at)
    select $1, $2, $3, $4, $5, statement_timestamp(), statement_timestamp() + make_interval(secs => $6)
    where not exists (select from similarity_drops where mark = any ($7::text[]) and at >= $5)
    on conflict do nothing
    returning id
), gone as (
    select id from similar_questions
    where id in (select id from similar_questions where place = $2 and id <> $1 order by used_at desc offset $12)
    order by id
    for update skip locked
), forgotten as (
    delete from similar_questions where id in (select id from gone) returning id
), replies_forgotten as (
    delete from similar_replies where id in (select id from forgotten)
)
insert into similar_replies (id, question, vector, answer, reply)
select id, $8, $9, $10, $11 from kept
on conflict do nothing
