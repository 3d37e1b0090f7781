select {task} from tasks t
where t.session_id = $7 and t.tenant = $1 and t.owner = $2
    and ($3::uuid is null or t.id < $3)
    and ($4::text is null or t.status = $4)
    and ($5::text is null or t.agent = $5)
order by t.id desc
limit $6
