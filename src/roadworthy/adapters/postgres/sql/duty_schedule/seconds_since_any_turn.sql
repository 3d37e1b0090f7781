select greatest(date_part('epoch', clock_timestamp() - coalesce(
    (select max(last_run) from duties),
    (select min(applied_at) from schema_migrations)
)), 0)
