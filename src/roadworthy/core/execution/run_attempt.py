"""One claimed task: load, run, decide, settle."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import orjson
import structlog

from roadworthy.core.attempt import Append, Attempt, Draft
from roadworthy.core.committed_together import CommittedTogether
from roadworthy.core.execution.abandoned import Abandoned
from roadworthy.core.execution.agent_run import AgentRun
from roadworthy.core.execution.best_answer import found_by_tools
from roadworthy.core.execution.decide import Facts, Verdict, decide
from roadworthy.core.execution.gate import Finished, Gate, Runner, Start
from roadworthy.core.model_gateway.gateway import ModelGateway
from roadworthy.core.model_gateway.routes import Routed
from roadworthy.core.publisher import EventPublisher
from roadworthy.core.redactor import Redactor
from roadworthy.core.scope import Surroundings, surroundings
from roadworthy.core.tool_gateway.gateway import ToolGateway
from roadworthy.core.tool_gateway.tool_threads import ToolThreads
from roadworthy.domain.decision import Decision, pending_calls, standing
from roadworthy.domain.errors import (
    AgentFailed,
    AttemptFailed,
    Fenced,
    InternalError,
    LimitReached,
    RoadworthyError,
    StoreUnavailable,
    TaskInterruption,
)
from roadworthy.domain.failure_class import FailureClass
from roadworthy.domain.journal import EntryKind, JournalEntry
from roadworthy.domain.keepable import check_keepable, foreign_words
from roadworthy.domain.lease import Lease
from roadworthy.domain.service import AgentService
from roadworthy.domain.task import Claimed, Settlement, Task, TaskStatus, Turn
from roadworthy.ports.decisions import Decisions
from roadworthy.ports.journal import Journal
from roadworthy.ports.session_store import SessionStore
from roadworthy.ports.task_store import Settled, SettleRefused

_MENDED_IN_CODE = {
    FailureClass.TOOL_CALL_FAILED,
    FailureClass.AGENT_FAILED,
    FailureClass.MODEL_CALL_FAILED,
    FailureClass.INTERNAL_ERROR,
}
"""Failures whose traceback says more than their reason."""

_WITH_A_TURN = {TaskStatus.PARTIAL, TaskStatus.CANCELLED}

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Served:
    """A service that this worker runs."""

    service: AgentService
    runner: Runner


@dataclass(frozen=True, slots=True)
class AttemptPorts:
    journal: Journal
    sessions: SessionStore
    append: Append
    settle: CommittedTogether[Settlement, Settled | SettleRefused]
    publisher: EventPublisher
    max_retries: int
    grace_seconds: float
    """How long an agent may take to end once it was told to."""
    abandoned: Abandoned
    threads: ToolThreads
    gateway: ModelGateway
    tool_gateway: ToolGateway
    decisions: Decisions | None = None


class RunningAttempt:
    """One attempt from claim to settlement; it can be interrupted from outside."""

    def __init__(self, claimed: Claimed, served: Served, lease: Lease, ports: AttemptPorts) -> None:
        self._served = served
        self._ports = ports
        self._started = time.monotonic()
        self._run: AgentRun | None = None
        self._claimed = claimed
        self.lease = lease
        self.attempt = Attempt(claimed, served.service, lease, ports.append, ports.publisher, ports.abandoned)
        self.attempt.max_retries = ports.max_retries
        self.attempt.redactor = ports.tool_gateway.redactor
        self.gate = Gate(self.attempt, ports.threads, ports.gateway, ports.tool_gateway)

    def interrupt(self, error: TaskInterruption) -> None:
        """End the attempt now; a `once` call under way runs to its end first, unless the lease is lost."""
        self.ask_to_end(error)
        if self._run is not None:
            self._run.interrupt(error)

    def ask_to_end(self, error: TaskInterruption) -> None:
        """End the attempt at its next journal boundary."""
        self.attempt.interruption = error

    def is_run_by(self, task: asyncio.Task[Any]) -> bool:
        """Whether the agent itself runs in this asyncio task."""
        return self._run is not None and self._run.is_run_by(task)

    async def execute(self) -> Settled | None:
        """Run the attempt and settle it; None where there was nothing that it may write."""
        end = await self._ended()
        verdict = decide(end, self._facts())
        if verdict is None:
            if isinstance(end, Fenced):
                self.attempt.purse.settle_unwritten()
            return None
        if isinstance(end, Exception):
            self._log_end(end, verdict)
        return await self._settled(self._settlement(verdict))

    async def give_up(self, error: Exception) -> Settled | None:
        """Have the task tried again after an error of our own: while this worker lives, nothing else would."""
        verdict = decide(_internal(error), self._facts())
        if verdict is None:
            return None
        return await self._settled(
            Settlement(
                fence=self._claimed.fence,
                session_id=self._claimed.task.session_id,
                status=verdict.status,
                reason=verdict.reason,
                error=verdict.error,
                run_after_seconds=verdict.run_after_seconds,
                counts_as_failure=verdict.counts_as_failure,
                running_seconds=time.monotonic() - self._started,
            )
        )

    async def _ended(self) -> Finished | Exception:
        limit = asyncio.get_running_loop().call_later(self._seconds_left(), self._out_of_time)
        try:
            start = await self._loaded()
            await self.attempt.permit()
            self._run = AgentRun(self._run_agent(start), self.attempt, self._ports.grace_seconds)
            return await self._run.finished()
        except asyncio.CancelledError:
            this = asyncio.current_task()
            if this is None or this.cancelling():
                raise
            return self.attempt.interruption or AgentFailed("the agent cancelled itself")
        except Exception as error:
            return error
        finally:
            limit.cancel()
            self.attempt.purse.close()
            self.attempt.on_trial.clear()

    async def _run_agent(self, start: Start) -> Finished:
        surroundings.set(Surroundings(self.gate))
        try:
            finished = await self._served.runner.run(self.gate, start)
        except Exception as error:
            if not isinstance(error, TaskInterruption):
                self.attempt.check_wait()
            raise
        except asyncio.CancelledError:
            raise
        except BaseException as error:
            # SystemExit, for one, would leave the event loop and take every other task with it.
            raise AgentFailed(f"the agent raised {type(error).__name__}: {foreign_words(error)}") from None
        self.attempt.check_wait()
        await self.attempt.journal_check.nothing_left_out()
        check_keepable("the agent's answer", finished.output)
        return finished

    async def _loaded(self) -> Start:
        try:
            return await self._load()
        except RoadworthyError:
            raise
        except Exception as error:
            raise _internal(error) from error

    async def _load(self) -> Start:
        claimed, task = self._claimed, self._claimed.task
        entries: Sequence[JournalEntry] = ()
        if task.journal_length:
            entries = await self._stored(lambda: self._ports.journal.read(task.principal, task.id))
            self.attempt.replay(entries)
            self.attempt.decisions = await self._decisions(entries)
        if task.attempt > 1:
            await self._stored(lambda: self._ports.gateway.money.take_over(self.attempt))
        facts = await self._first_entry(self.attempt.entries())
        history: Sequence[Turn] = ()
        if turns := facts["turns"]:
            sessions = self._ports.sessions
            history = await self._stored(lambda: sessions.history(task.principal, claimed.task.session_id, turns))
        return Start(task.input, history, facts["at"])

    async def _decisions(self, entries: Sequence[JournalEntry]) -> Mapping[str, Decision]:
        """What people have decided about its calls: about those that were begun, or asked about, and have no result."""
        task, decisions = self._claimed.task, self._ports.decisions
        if decisions is None or not pending_calls(entries, task.generation):
            return {}
        return standing(await self._stored(lambda: decisions.of_task(task.principal, task.id)), task.generation)

    async def _first_entry(self, entries: Sequence[JournalEntry]) -> Mapping[str, Any]:
        service, runner = self._served.service, self._served.runner
        if entries:
            facts = self.attempt.journal_check.begin(entries, runner.framework, runner.code)
            self.attempt.routed = Routed(facts["tier"], facts["why"]) if "tier" in facts else await self._routed()
            return facts
        self.attempt.routed = routed = await self._routed()
        facts = {
            "turns": self._claimed.turns,
            "at": time.time(),
            "framework": runner.framework,
            "version": service.version,
            "code": runner.code,
            "tier": routed.tier,
            "why": routed.why,
        }
        detail = {"tier": routed.tier, "why": routed.why} if routed.tier else {}
        self.attempt.later(Draft("input", EntryKind.INPUT, orjson.dumps(facts), detail))
        return facts

    async def _routed(self) -> Routed:
        return await self._ports.gateway.routes.tier(self._served.service, self._claimed.task, self._claimed.tier)

    async def _stored(self, read: Any) -> Any:
        pause = 0.05
        while True:
            # Also where the attempt must end: what it has done so far belongs to that end.
            await self.attempt.await_lease()
            try:
                return await read()
            except StoreUnavailable:
                await asyncio.sleep(pause)
                pause = min(pause * 2, 1)

    async def _settled(self, settlement: Settlement) -> Settled | None:
        outcome = await self._settle(_without_secrets(settlement, self.attempt.redactor))
        if outcome is not None:
            # Its fence is old from here on: no entry that is still on its way ends a charge any more.
            self.attempt.purse.settle_unwritten()
        return outcome if isinstance(outcome, Settled) else None

    async def _settle(self, settlement: Settlement) -> Settled | SettleRefused | None:
        pause = 0.05
        # For as long as it may still be ours: while this worker lives, nothing else would ever end the task.
        while not self.lease.is_lost:
            try:
                return await self._ports.settle(settlement)
            except StoreUnavailable:
                await asyncio.sleep(pause)
                pause = min(pause * 2, 1)
        return None

    def _settlement(self, verdict: Verdict) -> Settlement:
        turn = verdict.turn
        if verdict.status in _WITH_A_TURN:
            turn = self._served.runner.unfinished_turn(self._claimed.task.input, self.attempt.entries())
        return Settlement(
            fence=self._claimed.fence,
            session_id=self._claimed.task.session_id,
            status=verdict.status,
            reason=verdict.reason,
            output=verdict.output,
            error=verdict.error,
            usage=self.attempt.whole_usage if self.attempt.is_loaded else None,
            turn=turn,
            run_after_seconds=verdict.run_after_seconds,
            counts_as_failure=verdict.counts_as_failure,
            running_seconds=time.monotonic() - self._started,
            tier=self.attempt.tier,
            session_tier=self.attempt.routed.session_tier,
        )

    def _facts(self) -> Facts:
        return Facts(
            failures=0 if self.attempt.recorded else self._claimed.task.failures,
            max_retries=self._ports.max_retries,
            queue_seconds=self.attempt.limits.queue_seconds,
            step=self.attempt.scope.steps,
            partial_text=self.attempt.partial_text or _text_before(self._claimed.task),
            found=found_by_tools(self.attempt.entries()),
            fallback_answer=self._served.service.fallback_answer,
            chance=random.random(),  # noqa: S311
        )

    def _seconds_left(self) -> float:
        return max(self._claimed.task.limits.total_seconds - self._claimed.task.running_seconds, 0)

    def _out_of_time(self) -> None:
        seconds = self._claimed.task.limits.total_seconds
        self.interrupt(
            LimitReached(
                f"the task used up its {seconds:g} s of running time; raise limits.total_seconds if its work takes "
                "that long"
            )
        )

    def _log_end(self, end: Exception, verdict: Verdict) -> None:
        task = self._claimed.task
        # What waits needs a person as much as what is dead, and so does what kept a task from a better answer.
        level = {TaskStatus.DEAD: log.error, TaskStatus.WAITING: log.warning}.get(verdict.status, log.info)
        if verdict.status is TaskStatus.PARTIAL and isinstance(end, AttemptFailed):
            level = log.error
        mended_in_code = not isinstance(end, RoadworthyError) or end.code in _MENDED_IN_CODE
        level(
            "attempt_ended",
            task_id=str(task.id),
            session_id=str(task.session_id),
            agent=task.agent,
            version=task.version,
            attempt=task.attempt,
            tenant=task.principal.tenant,
            status=verdict.status.value,
            error=type(end).__name__,
            reason=verdict.reason,
            retry_seconds=round(verdict.run_after_seconds, 1) or None,
            exc_info=end if mended_in_code else None,
        )


def _without_secrets(settlement: Settlement, redactor: Redactor) -> Settlement:
    if not redactor.knows_any:
        return settlement
    turn = settlement.turn
    return replace(
        settlement,
        reason=settlement.reason and redactor.text(settlement.reason),
        output=settlement.output and redactor.json(settlement.output),
        error=settlement.error and redactor.json(settlement.error),
        turn=turn and replace(turn, payload=redactor.json(turn.payload)),
    )


def _text_before(task: Task) -> str:
    """What an earlier attempt had written in the middle of a model call: it is in no journal."""
    output = orjson.loads(task.output) if task.output else None
    return output if isinstance(output, str) else ""


def _internal(error: Exception) -> RoadworthyError:
    if isinstance(error, RoadworthyError):
        return error
    failed = InternalError(
        f"Roadworthy failed at this task ({type(error).__name__}: {foreign_words(error)}); the worker's log says where"
    )
    failed.__cause__ = error
    return failed
