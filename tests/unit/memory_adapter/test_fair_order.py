"""Nobody starves, whatever others do: on the twin, whose order the conformance suites hold to that of PostgreSQL."""

from __future__ import annotations

from collections import Counter
from collections.abc import Coroutine
from typing import Any, TypeVar
from uuid import UUID, uuid4

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from roadworthy.adapters.memory.database import MemoryDatabase
from roadworthy.adapters.memory.task_store import MemoryTaskStore
from roadworthy.adapters.memory.task_upkeep import MemoryTaskUpkeep
from roadworthy.adapters.memory.worker_registry import MemoryWorkerRegistry
from roadworthy.domain.principal import Principal
from roadworthy.domain.task import Claimed, Settlement, Task, TaskStatus
from roadworthy.ports.task_store import Submitted
from roadworthy.ports.worker_registry import Worker
from roadworthy.testing.conformance.scenario import new_task
from roadworthy.testing.manual_clock import ManualClock

VERSIONS = ("1", "2", "3")
LANES = tuple(f"support@{version}" for version in VERSIONS)
CROWD = tuple(Principal("acme", f"user {number}") for number in range(4))
LONER = Principal("acme", "loner")
"""Has one task at a time."""


T = TypeVar("T")


class Clock(ManualClock):
    seconds = 0.0

    def time(self) -> float:
        return self.seconds


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    """What only lets others run needs no event loop."""
    try:
        while True:
            coroutine.send(None)
    except StopIteration as done:
        return done.value


class Crowd(RuleBasedStateMachine):
    """The crowd submits, retries and cancels as it likes. In each lane, each of it passes the loner's task twice at
    most (in the turn that is under way, and in the next one), and once more for each place that it gave up."""

    @initialize()
    def begin(self) -> None:
        self.clock = Clock()
        database = MemoryDatabase(self.clock)
        self.store, self.upkeep = MemoryTaskStore(database), MemoryTaskUpkeep(database)
        worker = Worker(id=uuid4(), lanes=dict.fromkeys(LANES, "digest"), host="here", process_id=1)
        run(MemoryWorkerRegistry(database).register(worker, 1e9))
        self.worker_id = worker.id
        self.running: list[Claimed] = []
        self.queued: dict[UUID, Task] = {}
        self.waiting: UUID | None = None
        self.passed_by: Counter[tuple[str, str]] = Counter()
        self.gave_up: Counter[tuple[str, str]] = Counter()

    @rule(owner=st.sampled_from(CROWD), version=st.sampled_from(VERSIONS), count=st.integers(1, 30))
    def the_crowd_submits(self, owner: Principal, version: str, count: int) -> None:
        for outcome in run(self.store.submit([new_task(owner, version=version) for _ in range(count)])):
            assert isinstance(outcome, Submitted)
            self.queued[outcome.task.id] = outcome.task

    @precondition(lambda self: self.waiting is None)
    @rule(version=st.sampled_from(VERSIONS))
    def the_loner_submits(self, version: str) -> None:
        new = new_task(LONER, version=version)
        run(self.store.submit([new]))
        self.waiting = new.id
        self.passed_by.clear()

    @rule(count=st.integers(1, 7))
    def a_worker_claims(self, count: int) -> None:
        for claimed in run(self.store.claim(self.worker_id, LANES, count)):
            task = claimed.task
            self.queued.pop(task.id, None)
            if task.id == self.waiting:
                self.waiting = None
            elif self.waiting is not None:
                self.passed_by[task.principal.user, task.lane] += 1
            self.running.append(claimed)

    @precondition(lambda self: self.running)
    @rule(end=st.sampled_from(["succeeded", "at once", "after a pause"]), data=st.data())
    def an_attempt_ends(self, end: str, data: st.DataObject) -> None:
        claimed = self.running.pop(data.draw(st.integers(0, len(self.running) - 1)))
        task = claimed.task
        again = end != "succeeded" and task.principal != LONER
        settlement = Settlement(
            fence=claimed.fence,
            session_id=task.session_id,
            status=TaskStatus.QUEUED if again else TaskStatus.SUCCEEDED,
            run_after_seconds=5 if end == "after a pause" else 0,
        )
        run(self.store.settle([settlement]))
        if again:
            self.queued[task.id] = task

    @precondition(lambda self: self.queued)
    @rule(data=st.data())
    def one_of_the_crowd_cancels(self, data: st.DataObject) -> None:
        task_id = data.draw(st.sampled_from(sorted(self.queued)))
        task = self.queued.pop(task_id)
        run(self.store.cancel(task.principal, task_id))
        self.gave_up[task.principal.user, task.lane] += 1

    @rule()
    def pauses_end(self) -> None:
        self.clock.seconds += 6
        run(self.upkeep.release_due_tasks(1000))

    @invariant()
    def nobody_passes_thrice(self) -> None:
        for who, times in getattr(self, "passed_by", Counter[tuple[str, str]]()).items():
            assert times <= 2 + self.gave_up[who], who


TestCrowd = Crowd.TestCase
TestCrowd.settings = settings(
    max_examples=120, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
)
