"""PostgreSQL, the only truth: 15 or later, over asyncpg.

Whatever a worker writes is checked under the lock of the task's row; rows are locked in one order everywhere
(`session_wall.py`), and no transaction waits for anything but the database.
"""

from roadworthy.adapters.postgres.budget_accounts import PostgresBudgetAccounts
from roadworthy.adapters.postgres.budget_ledger import PostgresBudgetLedger
from roadworthy.adapters.postgres.dead_letters import PostgresDeadLetters
from roadworthy.adapters.postgres.decisions import PostgresDecisions
from roadworthy.adapters.postgres.duty_schedule import PostgresDutySchedule
from roadworthy.adapters.postgres.grades import PostgresGrades
from roadworthy.adapters.postgres.journal import PostgresJournal
from roadworthy.adapters.postgres.lanes import PostgresLanes
from roadworthy.adapters.postgres.migrate import check_schema, migrate
from roadworthy.adapters.postgres.operator_actions import PostgresOperatorActions
from roadworthy.adapters.postgres.pool import Pool, open_pool
from roadworthy.adapters.postgres.session_store import PostgresSessionStore
from roadworthy.adapters.postgres.similar_replies import PostgresSimilarReplies
from roadworthy.adapters.postgres.task_store import PostgresTaskStore
from roadworthy.adapters.postgres.task_upkeep import PostgresTaskUpkeep
from roadworthy.adapters.postgres.worker_registry import PostgresWorkerRegistry

__all__ = [
    "Pool",
    "PostgresBudgetAccounts",
    "PostgresBudgetLedger",
    "PostgresDeadLetters",
    "PostgresDecisions",
    "PostgresDutySchedule",
    "PostgresGrades",
    "PostgresJournal",
    "PostgresLanes",
    "PostgresOperatorActions",
    "PostgresSessionStore",
    "PostgresSimilarReplies",
    "PostgresTaskStore",
    "PostgresTaskUpkeep",
    "PostgresWorkerRegistry",
    "check_schema",
    "migrate",
    "open_pool",
]
