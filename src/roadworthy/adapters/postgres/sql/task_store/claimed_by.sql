select {task}, t.claim_token, t.fair_tag, s.turns, s.tier as session_tier
from tasks t join sessions s on s.id = t.session_id
where t.worker_id = $1 and t.status = 'running' and t.id <> all($2::uuid[])
order by t.id
