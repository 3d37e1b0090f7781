"""Lanes with tasks and without a worker: who is told, how often, and when it is over."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any
from uuid import UUID, uuid4

import pytest
import structlog

from roadworthy.adapters.memory.broker import MemoryBroker
from roadworthy.adapters.memory.budget_accounts import MemoryBudgetAccounts
from roadworthy.adapters.memory.database import MemoryDatabase
from roadworthy.adapters.memory.event_log import MemoryCancelSignals, MemoryEventLog
from roadworthy.adapters.memory.journal import MemoryJournal
from roadworthy.adapters.memory.lanes import MemoryLanes
from roadworthy.adapters.memory.task_store import MemoryTaskStore
from roadworthy.adapters.memory.task_upkeep import MemoryTaskUpkeep
from roadworthy.adapters.memory.work_queue import MemoryWorkQueue
from roadworthy.adapters.memory.worker_registry import MemoryWorkerRegistry
from roadworthy.core.announcer import Announcer
from roadworthy.core.insight.follow_task import FollowTask
from roadworthy.core.insight.followers import Followers
from roadworthy.core.publisher import EventPublisher
from roadworthy.core.upkeep import explain_unserved_lanes
from roadworthy.core.upkeep.duty import BATCH, UpkeepPorts
from roadworthy.core.upkeep.explain_unserved_lanes import ExplainUnservedLanes
from roadworthy.domain.ids import new_id
from roadworthy.domain.limits import Limits
from roadworthy.domain.principal import DEVELOPER
from roadworthy.domain.task import NewTask, Task
from roadworthy.ports.duty_schedule import DutyTurn
from roadworthy.ports.lanes import STRANDED_SECONDS
from roadworthy.ports.task_store import Submitted
from roadworthy.ports.worker_registry import Worker
from roadworthy.testing.manual_clock import ManualClock

TURN = DutyTurn(0)
NOBODY = "no worker serves support@1; start one"


class Upkeep:
    def __init__(self) -> None:
        self.clock = ManualClock(turns=2)
        database = MemoryDatabase(self.clock)
        broker = MemoryBroker(self.clock)
        self.log = MemoryEventLog(broker)
        self.tasks = MemoryTaskStore(database)
        self.journal = MemoryJournal(database)
        self.registry = MemoryWorkerRegistry(database)
        self.publisher = EventPublisher(self.log)
        self.announcer = Announcer(MemoryWorkQueue(broker), self.publisher, MemoryCancelSignals(broker))
        self.ports = UpkeepPorts(
            MemoryTaskUpkeep(database), self.announcer, MemoryLanes(database), MemoryBudgetAccounts(database)
        )
        self.duty = ExplainUnservedLanes()

    async def run(self) -> int:
        return await self.duty.run_once(self.ports, TURN)

    async def submit(self, count: int = 1, version: str = "1") -> list[Task]:
        new = [
            NewTask(new_id(), DEVELOPER, new_id(), True, "support", version, "hello", Limits()) for _ in range(count)
        ]
        outcomes = await self.tasks.submit(new)
        return [outcome.task for outcome in outcomes if isinstance(outcome, Submitted)]

    async def find(self, task: Task) -> Task:
        return await self.tasks.find(DEVELOPER, task.id)

    async def register(self, *lanes: str) -> UUID:
        worker = Worker(uuid4(), dict.fromkeys(lanes, "digest"), "here", 1)
        await self.registry.register(worker, 3600)
        return worker.id


@pytest.fixture
async def upkeep() -> AsyncIterator[Upkeep]:
    upkeep = Upkeep()
    yield upkeep
    await upkeep.announcer.close()
    await upkeep.publisher.close()


async def test_a_task_says_so_after_a_while_and_no_more_when_a_worker_comes(upkeep: Upkeep):
    (task,) = await upkeep.submit()
    assert await upkeep.run() == 0
    await upkeep.clock.advance(STRANDED_SECONDS)
    assert [await upkeep.run() for _ in range(2)] == [1, 0]
    assert (await upkeep.find(task)).reason == NOBODY
    await upkeep.register("support@1")
    assert [await upkeep.run() for _ in range(2)] == [1, 0]
    assert (await upkeep.find(task)).reason is None


async def test_it_names_the_ways_out_that_there_are(upkeep: Upkeep):
    (task,) = await upkeep.submit()
    await upkeep.register("support@2", "billing@3")
    await upkeep.clock.advance(STRANDED_SECONDS)
    await upkeep.run()
    assert (await upkeep.find(task)).reason == (
        'no worker serves support@1; start one, declare continues=["1"], or move its tasks: '
        "roadworthy queue move support@1 --to 2"
    )


async def test_the_ways_out_follow_the_workers_that_there_are(upkeep: Upkeep):
    (task,) = await upkeep.submit()
    await upkeep.clock.advance(STRANDED_SECONDS)
    await upkeep.run()
    assert (await upkeep.find(task)).reason == NOBODY
    await upkeep.register("support@2")
    assert [await upkeep.run() for _ in range(3)] == [1, 0, 0]
    assert "roadworthy queue move support@1 --to 2" in ((await upkeep.find(task)).reason or "")


async def test_another_process_takes_it_away_too(upkeep: Upkeep):
    (task,) = await upkeep.submit()
    await upkeep.clock.advance(STRANDED_SECONDS)
    await upkeep.run()
    await upkeep.register("support@1")
    upkeep.duty = ExplainUnservedLanes()
    await upkeep.run()
    assert (await upkeep.find(task)).reason is None


async def test_a_reason_that_another_process_gave_meanwhile_does_not_stay(
    upkeep: Upkeep, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(explain_unserved_lanes.time, "monotonic", upkeep.clock.monotonic)
    (task,) = await upkeep.submit()
    first = await upkeep.register("support@1")
    await upkeep.run()
    await upkeep.registry.deregister(first)
    await upkeep.clock.advance(STRANDED_SECONDS)
    await ExplainUnservedLanes().run_once(upkeep.ports, TURN)
    assert (await upkeep.find(task)).reason == NOBODY
    await upkeep.register("support@1")
    await upkeep.clock.advance(explain_unserved_lanes.LOOK_AGAIN_SECONDS - STRANDED_SECONDS)
    await upkeep.run()
    assert (await upkeep.find(task)).reason is None


async def test_a_lane_that_was_without_a_worker_is_looked_at_at_once(upkeep: Upkeep):
    (task,) = await upkeep.submit()
    first = await upkeep.register("support@1")
    await upkeep.run()
    await upkeep.registry.deregister(first)
    await upkeep.run()
    await upkeep.clock.advance(STRANDED_SECONDS)
    await ExplainUnservedLanes().run_once(upkeep.ports, TURN)
    await upkeep.register("support@1")
    await upkeep.run()
    assert (await upkeep.find(task)).reason is None


async def test_the_alarm_is_repeated_but_not_with_every_turn(upkeep: Upkeep, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(explain_unserved_lanes.time, "monotonic", upkeep.clock.monotonic)
    await upkeep.submit(3)
    with structlog.testing.capture_logs() as logs:
        for _ in range(30):
            await upkeep.clock.advance(5)
            await upkeep.run()
    alarms = [entry for entry in logs if entry["event"] == "lane_without_worker"]
    assert [entry["log_level"] for entry in alarms] == ["error"] * 3
    assert [entry["unserved_seconds"] for entry in alarms] == [30, 90, 150]
    assert (alarms[0]["lane"], alarms[0]["queued"], alarms[0]["reason"]) == ("support@1", 3, NOBODY)


async def test_many_tasks_are_told_over_several_turns_and_none_twice(upkeep: Upkeep):
    tasks = await upkeep.submit(BATCH * 10 + 50)
    await upkeep.clock.advance(STRANDED_SECONDS)
    assert [await upkeep.run() for _ in range(3)] == [BATCH * 10, 50, 0]
    assert {len((await upkeep.find(task)).changes) for task in tasks} == {2}
    await upkeep.register("support@1")
    assert [await upkeep.run() for _ in range(3)] == [BATCH * 10, 50, 0]


async def test_a_follower_is_told_with_rising_numbers(upkeep: Upkeep):
    (task,) = await upkeep.submit()
    followers = Followers(upkeep.tasks, upkeep.clock)
    follow = FollowTask(upkeep.tasks, upkeep.journal, upkeep.log, followers, upkeep.clock)
    seen: list[tuple[int, dict[str, Any]]] = []
    async with aclosing(follow(DEVELOPER, task.id, 0)) as stream:
        await upkeep.clock.advance(STRANDED_SECONDS)
        async for events in stream:
            seen += [(event.number, dict(event.data)) for event in events]
            if len(seen) == 1:
                await upkeep.run()
            elif len(seen) == 2:
                await upkeep.register("support@1")
                await upkeep.run()
            else:
                break
    assert [data for _, data in seen] == [
        {"status": "queued"},
        {"status": "queued", "reason": NOBODY},
        {"status": "queued"},
    ]
    numbers = [number for number, _ in seen]
    assert numbers == sorted(set(numbers))
