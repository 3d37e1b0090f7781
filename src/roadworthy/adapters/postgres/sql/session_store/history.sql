select framework, payload from turns
where session_id = $1 and position < $2
    and exists (select from sessions where id = $1 and tenant = $3 and owner = $4)
order by position
