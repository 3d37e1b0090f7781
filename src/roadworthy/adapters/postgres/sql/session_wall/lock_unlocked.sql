select id from sessions where id = any($1) order by id for no key update skip locked
