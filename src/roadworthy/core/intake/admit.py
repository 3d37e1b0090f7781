"""Admits tasks: what is accepted here is committed, and what is committed ends."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from roadworthy.core.announcer import Announcer
from roadworthy.core.committed_together import CommittedTogether
from roadworthy.core.intake.submission import Submission
from roadworthy.core.intake.used_up_budgets import UsedUpBudgets
from roadworthy.domain.errors import (
    IdempotencyKeyReused,
    InvalidRequest,
    NotFound,
    OutOfBudget,
    SessionBusy,
    TaskIsDead,
    UnknownAgent,
)
from roadworthy.domain.ids import TaskId, new_id
from roadworthy.domain.journal import NotStorable
from roadworthy.domain.limits import Limits
from roadworthy.domain.principal import Principal
from roadworthy.domain.service import AgentService
from roadworthy.domain.task import NewTask, Task, TaskStatus
from roadworthy.ports.task_store import (
    Busy,
    KeyReused,
    NoSuchSession,
    SubmitOutcome,
    Submitted,
    SubmittedBefore,
    TaskStore,
)

_MOST_DIGITS = 20


@dataclass(frozen=True, slots=True)
class Admitted:
    """The task is committed. `before` says that it was, by an earlier request with the same idempotency key."""

    task: Task
    before: bool = False


class Intake:
    """The way in, for every wire. One version of each agent takes new tasks: of several, the last one given."""

    def __init__(
        self,
        services: Iterable[AgentService],
        task_store: TaskStore,
        announcer: Announcer,
        budgets: UsedUpBudgets | None = None,
    ) -> None:
        self._services = {service.name: service for service in services}
        self._task_store = task_store
        self._announcer = announcer
        self._budgets = budgets
        self._submit: CommittedTogether[NewTask, SubmitOutcome] = CommittedTogether(task_store.submit)

    @property
    def agents(self) -> list[str]:
        """Names of the agents that take tasks here."""
        return list(self._services)

    async def submit(self, principal: Principal, submission: Submission) -> Admitted:
        """Commit a task.

        Raises UnknownAgent, InvalidRequest for limits that can't be had, NotFound for a session that isn't the
        principal's, SessionBusy, IdempotencyKeyReused, OutOfBudget and StoreUnavailable.
        """
        service = self._service(submission.agent)
        key = submission.idempotency_key
        new = NewTask(
            id=new_id(),
            principal=principal,
            session_id=submission.session_id or new_id(),
            opens_session=submission.session_id is None,
            agent=service.name,
            version=service.version,
            input=submission.input,
            limits=_limits(service, submission),
            metadata=submission.metadata,
            priority=service.priority,
            on_busy=submission.on_busy,
            idempotency_key=key,
            request_digest=b"" if key is None else submission.digest(),
        )
        match await self._before_the_budget_was_used_up(new) or await self._submit(new):
            case Submitted(task, interrupted):
                self._announcer.changed(task)
                if interrupted is not None:
                    self._announce_cancelled(interrupted)
                return Admitted(task)
            case SubmittedBefore(task):
                return Admitted(task, before=True)
            case KeyReused():
                raise IdempotencyKeyReused
            case Busy(task_id):
                choices = 'wait for it, or submit with on_busy "queue" or "interrupt"'
                raise SessionBusy(f"the session is busy with task {task_id}; {choices}")
            case NoSuchSession():
                raise NotFound("there is no session of that id that you may see; leave session_id away to open one")
            case NotStorable(message):
                raise InvalidRequest(message)

    async def cancel(self, principal: Principal, task_id: TaskId) -> Task:
        """Durably ask for the end of a task; the task as it is then. One that has ended stays as it is.

        Raises NotFound, TaskIsDead and StoreUnavailable.
        """
        first, *released = await self._task_store.cancel(principal, task_id)
        task = first.task
        if task.status is TaskStatus.DEAD:
            raise TaskIsDead(f"the task is dead, so nothing runs; give it up with `roadworthy dead discard {task.id}`")
        self._announce_cancelled(task)
        for each in released:
            self._announcer.changed(each.task)
        return task

    async def close(self) -> None:
        """Take nothing more; wait for what is being committed and told."""
        await self._submit.close()
        if self._budgets is not None:
            await self._budgets.close()
        await self._announcer.close()

    async def _before_the_budget_was_used_up(self, new: NewTask) -> SubmitOutcome | None:
        """None if a new task may be taken; where no budget is left, OutOfBudget unless it is no new one."""
        if self._budgets is None:
            return None
        try:
            await self._budgets.check(new.principal)
            return None
        except OutOfBudget:
            key = new.idempotency_key
            before = key and await self._task_store.submitted_before(new.principal, key, new.request_digest)
            if not before:
                raise
            return before

    def _announce_cancelled(self, task: Task) -> None:
        if task.status is TaskStatus.RUNNING:
            self._announcer.cancelled(task.id)
        elif task.status is TaskStatus.CANCELLED:
            self._announcer.changed(task)

    def _service(self, name: str | None) -> AgentService:
        if name is None and len(self._services) == 1:
            return next(iter(self._services.values()))
        service = self._services.get(name or "")
        if service is None:
            names = ", ".join(self._services) or "none"
            asked = "agent is missing" if name is None else f"there is no agent {name!r} here"
            raise UnknownAgent(f"{asked}; choose one of: {names}")
        return service


def _limits(service: AgentService, submission: Submission) -> Limits:
    if not submission.limits:
        return service.limits
    no_amount = "limits.cost_usd must be an amount in dollars, like '0.25'"
    if len(str(submission.limits.get("cost_usd", ""))) > _MOST_DIGITS:
        raise InvalidRequest(no_amount)
    try:
        limits = service.limits.lowered(submission.limits)
    except ValueError as error:
        raise InvalidRequest(str(error)) from None
    except ArithmeticError:
        raise InvalidRequest(no_amount) from None
    if service.limits.cost and not limits.cost:
        raise InvalidRequest("limits.cost_usd must be at least a millionth of a dollar")
    return limits
