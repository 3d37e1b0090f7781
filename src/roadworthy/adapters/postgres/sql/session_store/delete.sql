with deleted_tasks as (
    delete from tasks where session_id = $1 returning id, tenant, owner
), deleted_entries as (
    delete from journal_entries where task_id in (select id from deleted_tasks)
), deleted_keys as (
    delete from idempotency_keys k using deleted_tasks d
    where k.tenant = d.tenant and k.owner = d.owner and k.task_id = d.id
), deleted_words as (
    -- Who did what to the tasks stays known; what was said does not.
    update operator_actions set detail = detail - $2::text[] where task_id in (select id from deleted_tasks)
), deleted_grades as (
    delete from grades where session_id = $1
), deleted_decisions as (
    delete from decisions where task_id in (select id from deleted_tasks)
), deleted_turns as (
    delete from turns where session_id = $1
)
delete from sessions where id = $1
