select coalesce(sum(case state when 'settled' then cost when 'uncertain' then estimate else 0 end), 0)::bigint
from charges
where task_id = $1 and attempt < $2 and generation = $3 and not journaled
