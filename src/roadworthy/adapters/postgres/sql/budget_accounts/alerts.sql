select scope, tenant, owner, percent, window_start, at, "limit", spent
from budget_alerts
order by at desc, percent desc, scope, tenant, owner
limit $1
