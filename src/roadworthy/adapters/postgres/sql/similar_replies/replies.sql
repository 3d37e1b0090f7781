select id, reply from similar_replies where id = any ($1::uuid[])
