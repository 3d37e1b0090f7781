select {charge} from charges c where c.id = $1
