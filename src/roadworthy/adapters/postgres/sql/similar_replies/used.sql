with used as (
    update similar_questions set used_at = statement_timestamp() where id = $1 returning id
)
update similar_replies set confirmed = confirmed + 1 where $2 and id in (select id from used)
