-- Also one that had run before: a resumed task waits behind what its session has then.
select {task} from tasks t
where t.session_id = any($1) and t.status = 'queued' and t.changes -> -2 ->> 1 = 'blocked'
