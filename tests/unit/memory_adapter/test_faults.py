import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import pytest

from roadworthy.adapters.memory.broker import MemoryBroker
from roadworthy.adapters.memory.database import MemoryDatabase
from roadworthy.adapters.memory.faults import Applied, PlannedFaults
from roadworthy.adapters.memory.journal import MemoryJournal
from roadworthy.adapters.memory.task_store import MemoryTaskStore
from roadworthy.adapters.memory.work_queue import MemoryWorkQueue
from roadworthy.adapters.memory.worker_registry import MemoryWorkerRegistry
from roadworthy.domain.errors import BrokerUnavailable, NotFound, StoreUnavailable
from roadworthy.domain.ids import new_id
from roadworthy.domain.journal import Appended, EntryKind, EntryWrite
from roadworthy.domain.limits import Limits
from roadworthy.domain.principal import DEVELOPER
from roadworthy.domain.task import NewTask, Settlement, TaskStatus
from roadworthy.ports.task_store import Settled, Submitted
from roadworthy.ports.worker_registry import Worker
from roadworthy.testing.manual_clock import ManualClock

T = TypeVar("T")


class Setup:
    def __init__(self) -> None:
        self.clock = ManualClock()
        self.faults = PlannedFaults(self.clock)
        self.database = database = MemoryDatabase(self.clock, self.faults)
        self.tasks = MemoryTaskStore(database)
        self.journal = MemoryJournal(database)
        self.workers = MemoryWorkerRegistry(database)
        self.queue = MemoryWorkQueue(MemoryBroker(self.clock, self.faults))

    async def is_there(self, new: NewTask) -> bool:
        try:
            return (await self.tasks.find(DEVELOPER, new.id)).id == new.id
        except NotFound:
            return False


def new_task() -> NewTask:
    return NewTask(
        new_id(), DEVELOPER, new_id(), opens_session=True, agent="a", version="1", input="hi", limits=Limits()
    )


@pytest.mark.parametrize(("applied", "there"), [("never", False), ("lost", True), ("late", False)])
async def test_a_planned_failure_says_unavailable_whatever_happened(applied: Applied, there: bool):
    setup, new = Setup(), new_task()
    setup.faults.plan("task_store.submit", applied, seconds=1)
    with pytest.raises(StoreUnavailable):
        await setup.tasks.submit([new])
    assert await setup.is_there(new) is there
    await setup.clock.advance(1)
    assert await setup.is_there(new) is (applied != "never")


async def test_failures_come_in_the_order_of_the_plan_and_then_none():
    setup = Setup()
    for applied in ("never", "lost"):
        setup.faults.plan("task_store.submit", applied)
    first, second, third = new_task(), new_task(), new_task()
    for new in (first, second):
        with pytest.raises(StoreUnavailable):
            await setup.tasks.submit([new])
    await setup.tasks.submit([third])
    assert [await setup.is_there(new) for new in (first, second, third)] == [False, True, True]


async def test_a_late_write_of_an_attempt_that_is_over_is_refused_in_silence():
    setup, new = Setup(), new_task()
    worker = Worker(new_id(), {"a@1": ""}, "here", 1)
    await setup.workers.register(worker, 60)
    await setup.tasks.submit([new])
    (claimed,) = await setup.tasks.claim(worker.id, ["a@1"], 1)
    setup.faults.plan("journal.append", "late", seconds=5)
    with pytest.raises(StoreUnavailable):
        await setup.journal.append([EntryWrite(claimed.fence, "m1", EntryKind.MODEL, b"", b"{}")])
    await setup.tasks.settle([Settlement(claimed.fence, new.session_id, TaskStatus.QUEUED)])
    await setup.tasks.claim(worker.id, ["a@1"], 1)
    await setup.clock.advance(5)
    assert await setup.journal.read(DEVELOPER, new.id) == []


async def until_answered(call: Callable[[], Awaitable[T]]) -> T:
    while True:
        try:
            return await call()
        except StoreUnavailable:
            continue


@pytest.mark.parametrize("applied", ["never", "lost"])
async def test_every_write_can_be_repeated_after_a_failure(applied: Applied):
    setup, new = Setup(), new_task()
    worker = Worker(new_id(), {"a@1": ""}, "here", 1)
    for operation in ("worker_registry.register", "task_store.submit", "journal.append", "task_store.settle"):
        setup.faults.plan(operation, applied)
    await until_answered(lambda: setup.workers.register(worker, 60))
    assert isinstance((await until_answered(lambda: setup.tasks.submit([new])))[0], Submitted)
    (claimed,) = await setup.tasks.claim(worker.id, ["a@1"], 1)
    entry = EntryWrite(claimed.fence, "m1", EntryKind.MODEL, b"", b"{}")
    assert await until_answered(lambda: setup.journal.append([entry])) == [Appended(0)]
    end = Settlement(claimed.fence, new.session_id, TaskStatus.SUCCEEDED)
    assert isinstance((await until_answered(lambda: setup.tasks.settle([end])))[0], Settled)
    task = await setup.tasks.find(DEVELOPER, new.id)
    assert [change.status for change in task.changes] == ["queued", "running", "succeeded"]


async def test_a_broker_that_is_away_says_so_in_its_own_words():
    setup = Setup()
    setup.faults.plan("work_queue.post", "lost")
    with pytest.raises(BrokerUnavailable):
        await setup.queue.post(["a@1"])
    assert await setup.queue.wait(["a@1"], 1)


async def test_every_call_lets_others_run_before_and_after_it_is_applied():
    setup, new = Setup(), new_task()
    submitting, seen = asyncio.create_task(setup.tasks.submit([new])), list[tuple[bool, bool]]()
    while not submitting.done():
        seen.append((new.id in setup.database.tasks, submitting.done()))
        await asyncio.sleep(0)
    assert {(False, False), (True, False)} <= set(seen)
