select t.agent, t.version, coalesce(error_code(t.error), ''), count(*) from tasks t
where t.status = 'dead'
    and ($1::text is null or t.agent = $1)
    and ($2::text is null or t.version = $2)
    and ($3::text is null or error_code(t.error) = $3)
    and ($4::text is null or t.tenant = $4)
    and ($5::text is null or t.owner = $5)
    and ($6::timestamptz is null or t.ended_at >= $6)
    and ($7::timestamptz is null or t.ended_at < $7)
group by 1, 2, 3
order by 4 desc, 1, 2, 3
