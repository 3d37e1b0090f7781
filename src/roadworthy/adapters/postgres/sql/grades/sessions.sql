-- From one session to the next in the index, newest first, until the page is full: grouping would read every grade.
with recursive graded as (
    (
        select session_id from grades
        where session_id < coalesce($2::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
        order by session_id desc
        limit 1
    )
    union all
    select next.session_id
    from graded cross join lateral (
        select session_id from grades
        where session_id < graded.session_id
        order by session_id desc
        limit 1
    ) next
), page as materialized (
    select graded.session_id as id, first.agent, first.input
    from graded
    cross join lateral (
        select agent, left(input, $5) as input from tasks where session_id = graded.session_id order by id limit 1
    ) first
    where ($3::text is null or first.agent = $3)
        and ($4::timestamptz is null
            or exists (select from grades g where g.session_id = graded.session_id and g.at >= $4))
    limit $1
)
select page.id, page.agent, page.input, t.tier, g.task_id, g.source, g.mark, g.enough, g.note, g.given_by, g.at
from page join grades g on g.session_id = page.id join tasks t on t.id = g.task_id
order by page.id desc, g.task_id, g.source
