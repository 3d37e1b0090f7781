-- In the words of an index that has nothing else: it costs the same however many tasks there are.
select {task} from tasks t
where coalesce(t.status = 'waiting' and error_code(t.error) is distinct from 'journal_mismatch', false)
    and uuid_send(t.id) > uuid_send(coalesce($1::uuid, '00000000-0000-0000-0000-000000000000'))
order by uuid_send(t.id)
limit $2
