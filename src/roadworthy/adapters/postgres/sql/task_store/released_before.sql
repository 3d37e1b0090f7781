select {task} from tasks t
where t.session_id = any($1) and t.status = 'queued' and t.attempt = 0 and t.changes -> 0 ->> 1 = 'blocked'
