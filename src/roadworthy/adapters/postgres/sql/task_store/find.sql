select {task} from tasks t where t.id = $1 and t.tenant = $2 and t.owner = $3
