select
    id, journal_length, jsonb_array_length(changes), status not in ('blocked', 'queued', 'running', 'waiting')
from tasks where id = any($1)
