"""The store ports over one fresh database, as the contracts use them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from roadworthy.ports.budget_accounts import BudgetAccounts
from roadworthy.ports.budget_ledger import BudgetLedger
from roadworthy.ports.dead_letters import DeadLetters
from roadworthy.ports.decisions import Decisions
from roadworthy.ports.duty_schedule import DutySchedule
from roadworthy.ports.grades import Grades
from roadworthy.ports.journal import Journal
from roadworthy.ports.lanes import Lanes
from roadworthy.ports.operator_actions import OperatorActions
from roadworthy.ports.session_store import SessionStore
from roadworthy.ports.similar_replies import SimilarReplies
from roadworthy.ports.task_store import TaskStore
from roadworthy.ports.task_upkeep import TaskUpkeep
from roadworthy.ports.worker_registry import WorkerRegistry

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Stores:
    tasks: TaskStore
    upkeep: TaskUpkeep
    duties: DutySchedule
    journal: Journal
    sessions: SessionStore
    workers: WorkerRegistry
    lanes: Lanes
    dead: DeadLetters
    actions: OperatorActions
    grades: Grades
    decisions: Decisions
    ledger: BudgetLedger
    accounts: BudgetAccounts
    similar: SimilarReplies
    pass_time: Callable[[float], Awaitable[None]]
    """Let that many seconds of the store's time go by."""

    async def eventually(self, check: Callable[[], Awaitable[T | None]], seconds: float = 5) -> T:
        """The first result of `check` that is true; AssertionError if none is within `seconds`."""
        pace = 0.02
        for _ in range(int(seconds / pace)):
            result = await check()
            if result:
                return result
            await self.pass_time(pace)
        raise AssertionError(f"it did not come true within {seconds:g} seconds")
