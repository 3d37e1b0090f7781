"""What the API is made over."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, field

from roadworthy.core.insight.budgets import Budgets
from roadworthy.core.insight.dead_letters import DeadLetterReader
from roadworthy.core.insight.follow_task import FollowTask
from roadworthy.core.insight.pending import PendingReader
from roadworthy.core.insight.queue_loads import QueueLoads
from roadworthy.core.insight.sessions import Sessions
from roadworthy.core.insight.tasks import Tasks
from roadworthy.core.insight.usage import UsageReader
from roadworthy.core.intake.admit import Intake
from roadworthy.core.operations.clear_caches import ClearCaches
from roadworthy.core.operations.correct_charge import CorrectCharge
from roadworthy.core.operations.dead_tasks import DeadTasks
from roadworthy.core.operations.decide_call import DecideCall
from roadworthy.core.operations.move_tasks import MoveTasks
from roadworthy.edges.http.authenticate import Authenticate, everybody_is_the_developer
from roadworthy.edges.http.metrics_route import MetricsRoute
from roadworthy.ports.clock import Clock
from roadworthy.ports.grades import Grades

ReadyCheck = Callable[[], Awaitable[None]]
"""Raises what is in the way."""


@dataclass(frozen=True, slots=True)
class HttpDependencies:
    intake: Intake
    tasks: Tasks
    sessions: Sessions
    follow: FollowTask
    clock: Clock
    dead_letters: DeadLetterReader
    dead_tasks: DeadTasks
    loads: QueueLoads
    move_tasks: MoveTasks
    grades: Grades
    clear_caches: ClearCaches
    budgets: Budgets
    correct_charge: CorrectCharge
    decide_call: DecideCall
    pending: PendingReader
    usage: UsageReader
    clear_caches: ClearCaches
    ready_checks: Mapping[str, ReadyCheck] = field(default_factory=dict[str, ReadyCheck])
    """Name → check; `/ready` says 503 while one of them raises."""
    metrics: MetricsRoute | None = None
    cached_lanes: Collection[str] = ()
    """Of services that have a cache."""
    authenticate: Authenticate = everybody_is_the_developer
    loopback_only: bool = True
    """Refuse every Host and Origin but loopback: must stay true while everybody is the developer."""
