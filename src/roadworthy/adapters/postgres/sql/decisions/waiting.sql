select {task} from tasks t
where t.status = 'waiting' and error_code(t.error) is distinct from 'journal_mismatch'
    and ($1::uuid is null or t.id > $1)
order by t.id
limit $2
