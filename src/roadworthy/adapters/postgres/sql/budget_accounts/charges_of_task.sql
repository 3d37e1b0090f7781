select {charge} from charges c
where c.task_id = $4 and ($1::uuid is null or c.id < $1) and ($3::text is null or c.state = $3)
order by c.id desc
limit $2
