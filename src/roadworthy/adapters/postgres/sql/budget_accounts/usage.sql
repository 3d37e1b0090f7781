select name, cost, uncertain, input_tokens, output_tokens, cache_read_tokens, calls
from (
    select
        case $3::text when 'day' then c.day::text when 'agent' then c.agent else c.model end as name,
        sum(case c.state when 'settled' then c.cost else c.estimate end)::bigint as cost,
        sum(case c.state when 'settled' then 0 else c.estimate end)::bigint as uncertain,
        sum(c.input_tokens)::bigint as input_tokens,
        sum(c.output_tokens)::bigint as output_tokens,
        sum(c.cache_read_tokens)::bigint as cache_read_tokens,
        count(*) as calls
    from charges c
    where c.tenant = $1 and c.owner = $2 and c.day > today_utc() - $4::integer
        and (c.state = 'uncertain' or (c.state = 'settled' and (c.cost > 0 or c.input_tokens > 0 or c.output_tokens > 0)))
    group by 1
) used
order by case $3::text when 'day' then name end desc, cost desc, name
