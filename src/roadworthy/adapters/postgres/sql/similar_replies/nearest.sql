-- The narrow rows of the place are all looked at, the wide ones only of those that are nearest.
with near as (
    select id, bit_count(sketch # $3::bit varying) as far
    from similar_questions
    where place = $1 and facts = $2 and expires_at > statement_timestamp()
        and as_of > coalesce((select max(at) from similarity_drops where mark = any ($4::text[])), '-infinity')
    order by far
    limit $5
)
select statement_timestamp(), kept.id, kept.question, kept.vector, kept.answer, kept.confirmed
from (values (1)) as once
left join (near join similar_replies as kept using (id)) on true
order by near.far
