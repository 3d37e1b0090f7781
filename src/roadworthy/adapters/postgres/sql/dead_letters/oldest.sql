select {task} from tasks t
where t.status = 'dead'
    and ($1::text is null or t.agent = $1)
    and ($2::text is null or t.version = $2)
    and ($3::text is null or error_code(t.error) = $3)
    and ($4::text is null or t.tenant = $4)
    and ($5::text is null or t.owner = $5)
    and ($6::timestamptz is null or t.ended_at >= $6)
    and ($7::timestamptz is null or t.ended_at < $7)
    and ($8::uuid is null or t.id > $8)
order by t.id
limit $9
