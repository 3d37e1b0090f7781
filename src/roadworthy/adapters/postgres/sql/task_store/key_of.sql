select digest, task_id, exists (select from tasks where id = task_id)
from idempotency_keys where tenant = $1 and owner = $2 and key = $3
