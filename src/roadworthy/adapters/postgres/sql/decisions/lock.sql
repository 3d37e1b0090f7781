-- The owner's task, or with $4 anybody's.
select {task} from tasks t
where t.id = $1 and ($4::boolean or (t.tenant = $2 and t.owner = $3))
for no key update
