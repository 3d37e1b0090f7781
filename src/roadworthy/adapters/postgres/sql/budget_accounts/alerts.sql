select scope, tenant, owner, percent, window_start, at, "limit", spent
from budget_alerts
order by at desc, scope, tenant, owner, percent
limit $1
