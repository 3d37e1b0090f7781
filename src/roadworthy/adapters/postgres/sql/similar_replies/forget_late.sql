with late as (
    select id from similar_questions where expires_at <= statement_timestamp()
    order by expires_at limit $1 for update skip locked
), forgotten as (
    delete from similar_questions where id in (select id from late) returning id
), replies_forgotten as (
    delete from similar_replies where id in (select id from forgotten)
)
select id from forgotten
