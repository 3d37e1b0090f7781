-- The latest first.
select task_id, key, detail from journal_entries
where task_id = any($1) and kind = 'model'
order by task_id, sequence desc
