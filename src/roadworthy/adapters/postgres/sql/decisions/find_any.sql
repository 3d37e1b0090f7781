select {task} from tasks t where t.id = $1
