"""Dead tasks in the hands of operators: resumed or given up, one or many."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass

from roadworthy.core.announcer import Announcer
from roadworthy.core.insight.effects import EffectOf, effects_of
from roadworthy.core.insight.failed_step import failed_step
from roadworthy.core.insight.page import cursor_after
from roadworthy.core.insight.steps import steps_of
from roadworthy.core.operations.resume_order import ResumeOrder
from roadworthy.core.operations.resume_plan import DeadTask, check_dead, notices, plan_resume
from roadworthy.domain.errors import NotDead, RoadworthyError, StoreUnavailable
from roadworthy.domain.ids import TaskId
from roadworthy.domain.journal import JournalEntry, usage_of
from roadworthy.domain.principal import Principal
from roadworthy.domain.service import AgentService
from roadworthy.domain.task import Task
from roadworthy.ports.dead_letters import ChangedMeanwhile, DeadFilter, DeadLetters, Discard, Discarded, Resumed
from roadworthy.ports.journal import Journal

MOST_AT_ONCE = 100
"""Tasks of one batch: about a second."""


@dataclass(frozen=True, slots=True)
class Done:
    """What became of one task."""

    task: Task
    notices: Sequence[str] = ()
    problem: RoadworthyError | None = None
    """Why nothing was done; StoreUnavailable: perhaps it was."""


@dataclass(frozen=True, slots=True)
class BatchPage:
    """Which of the tasks that match, oldest first; a dry run only says what would become of them."""

    limit: int = MOST_AT_ONCE
    beyond: TaskId | None = None
    """The last of the batch before."""
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class Batch:
    """What became of the next few tasks that match, oldest first."""

    done: Sequence[Done]
    next_cursor: str | None
    """None when there are no more."""
    interrupted: bool = False
    """The store went away at the last one. The whole may be repeated: what was done is dead no longer."""


class DeadTasks:
    """Every method raises NotAllowed without the scope `operator`, NotFound and StoreUnavailable."""

    def __init__(
        self, dead_letters: DeadLetters, journal: Journal, announcer: Announcer, services: Iterable[AgentService]
    ) -> None:
        self._dead_letters = dead_letters
        self._journal = journal
        self._announcer = announcer
        services = list(services)
        self._services = {lane: service for service in services for lane in service.continued_lanes}
        self._services |= {service.lane: service for service in services}

    def effect_of(self, task: Task) -> EffectOf:
        """How the tools of the task's agent are declared, if that agent is served here."""
        service = self._services.get(task.lane)
        return lambda tool: None if service is None else service.policy(tool).effect

    def examined(self, task: Task, entries: Sequence[JournalEntry]) -> DeadTask:
        """The task and what its whole journal tells."""
        steps = steps_of(entries)
        present = [entry for entry in entries if entry.generation == task.generation]
        effects = effects_of(steps, self.effect_of(task))
        return DeadTask(task, failed_step(task, steps), effects, usage_of(present))

    async def resume(self, operator: Principal, task_id: TaskId, order: ResumeOrder) -> Done:
        """Let it go on. Raises NotDead, InvalidRequest, Conflict, EffectsWouldRepeat."""
        return await self._resume(operator, await self._dead_letters.find(operator, task_id), order, dry_run=False)

    async def discard(self, operator: Principal, task_id: TaskId, note: str | None = None) -> Done:
        """Give it up for good. Raises NotDead."""
        return await self._discard(operator, await self._dead_letters.find(operator, task_id), note, dry_run=False)

    async def resume_matching(
        self, operator: Principal, filter: DeadFilter, order: ResumeOrder, page: BatchPage
    ) -> Batch:
        """Each task of the batch in a transaction of its own: one that can't be resumed holds up no other."""
        return await self._each(operator, filter, page, lambda task: self._resume(operator, task, order, page.dry_run))

    async def discard_matching(
        self, operator: Principal, filter: DeadFilter, note: str | None, page: BatchPage
    ) -> Batch:
        """As `resume_matching`."""
        return await self._each(operator, filter, page, lambda task: self._discard(operator, task, note, page.dry_run))

    async def _each(
        self, operator: Principal, filter: DeadFilter, page: BatchPage, act: Callable[[Task], Awaitable[Done]]
    ) -> Batch:
        tasks = await self._dead_letters.list(operator, filter, page.limit, page.beyond, oldest_first=True)
        done: list[Done] = []
        for task in tasks:
            try:
                done.append(await act(task))
            except StoreUnavailable as error:
                # What was done before is worth telling.
                return Batch([*done, Done(task, problem=error)], None, interrupted=True)
            except RoadworthyError as error:
                done.append(Done(task, problem=error))
        return Batch(done, cursor_after(tasks[-1].id) if len(tasks) == page.limit else None)

    async def _resume(self, operator: Principal, task: Task, order: ResumeOrder, dry_run: bool) -> Done:
        check_dead(task)
        dead = self.examined(task, await self._journal.read(task.principal, task.id))
        plan = plan_resume(dead, order, operator)
        if dry_run:
            return Done(task, notices(dead, plan, served=True))
        match await self._dead_letters.resume(operator, plan):
            case Resumed(resumed, released, served):
                self._announcer.changed(resumed)
                if released is not None:
                    self._announcer.changed(released)
                return Done(resumed, notices(dead, plan, served))
            case ChangedMeanwhile(now):
                raise _changed(now)

    async def _discard(self, operator: Principal, task: Task, note: str | None, dry_run: bool) -> Done:
        check_dead(task)
        if dry_run:
            return Done(task)
        order = Discard(task, f"discarded by {operator.user}", {}, note)
        match await self._dead_letters.discard(operator, order):
            case Discarded(discarded):
                self._announcer.changed(discarded)
                return Done(discarded)
            case ChangedMeanwhile(now):
                raise _changed(now)


def _changed(now: Task) -> NotDead:
    because = f" ({now.reason})" if now.reason else ""
    return NotDead(f"somebody was faster: the task is {now.status} now{because}")
