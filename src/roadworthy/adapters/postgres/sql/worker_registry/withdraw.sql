-- The lanes stay, as a sign that somebody served them a moment ago.
update workers set lanes = (select coalesce(jsonb_object_agg(lane, null), '{}') from jsonb_object_keys(lanes) as lane)
where id = $1
