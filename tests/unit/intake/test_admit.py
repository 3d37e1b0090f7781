import asyncio
from uuid import uuid4

import pytest
import structlog

from roadworthy.adapters.memory.broker import MemoryBroker
from roadworthy.adapters.memory.database import MemoryDatabase
from roadworthy.adapters.memory.event_log import MemoryCancelSignals, MemoryEventLog
from roadworthy.adapters.memory.faults import PlannedFaults
from roadworthy.adapters.memory.task_store import MemoryTaskStore
from roadworthy.adapters.memory.work_queue import MemoryWorkQueue
from roadworthy.adapters.memory.worker_registry import MemoryWorkerRegistry
from roadworthy.core.announcer import Announcer
from roadworthy.core.insight.change_record import change_record
from roadworthy.core.intake.admit import Intake
from roadworthy.core.intake.submission import Submission
from roadworthy.core.publisher import EventPublisher
from roadworthy.domain.errors import (
    IdempotencyKeyReused,
    InvalidRequest,
    NotFound,
    SessionBusy,
    StoreUnavailable,
    UnknownAgent,
)
from roadworthy.domain.event import Place, Position
from roadworthy.domain.ids import new_id
from roadworthy.domain.limits import Limits
from roadworthy.domain.principal import DEVELOPER, Principal
from roadworthy.domain.service import AgentService
from roadworthy.domain.task import OnBusy, TaskStatus
from roadworthy.ports.worker_registry import Worker
from roadworthy.testing.manual_clock import ManualClock


class CountingQueue(MemoryWorkQueue):
    def __init__(self, broker: MemoryBroker) -> None:
        super().__init__(broker)
        self.posts: list[set[str]] = []

    async def post(self, lanes):
        self.posts.append(set(lanes))
        await super().post(lanes)


class Rooms:
    def __init__(self, *services: AgentService) -> None:
        self.clock = ManualClock()
        self.store_faults = PlannedFaults(self.clock)
        self.broker_faults = PlannedFaults(self.clock)
        self.database = MemoryDatabase(self.clock, self.store_faults)
        self.broker = MemoryBroker(self.clock, self.broker_faults)
        self.store = MemoryTaskStore(self.database)
        self.queue = CountingQueue(self.broker)
        self.log = MemoryEventLog(self.broker)
        self.signals = MemoryCancelSignals(self.broker)
        self.publisher = EventPublisher(self.log)
        self.announcer = Announcer(self.queue, self.publisher, self.signals)
        self.intake = Intake(services or (AgentService(None, name="support"),), self.store, self.announcer)

    async def told(self) -> None:
        await self.announcer.close()
        await self.publisher.close()

    async def claim(self):
        worker = Worker(uuid4(), {"support@1": ""}, "here", 1)
        await MemoryWorkerRegistry(self.database).register(worker, 30)
        return await self.store.claim(worker.id, ["support@1"], 10)


@pytest.fixture
async def rooms():
    rooms = Rooms()
    yield rooms
    await rooms.intake.close()
    await rooms.publisher.close()
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_what_is_admitted_is_in_the_store(rooms: Rooms):
    admitted = await rooms.intake.submit(DEVELOPER, Submission("hi", metadata=b'{"a":1}'))
    task = await rooms.store.find(DEVELOPER, admitted.task.id)
    assert task == admitted.task
    assert (task.agent, task.version, task.input, task.metadata) == ("support", "1", "hi", b'{"a":1}')
    assert task.status is TaskStatus.QUEUED


async def test_many_at_once_are_one_commit_one_ticket_and_one_publish(rooms: Rooms):
    calls: list[int] = []
    submit = rooms.store.submit

    async def counting(tasks):
        calls.append(len(tasks))
        return await submit(tasks)

    rooms.store.submit = counting
    rooms.intake = Intake([AgentService(None, name="support")], rooms.store, rooms.announcer)
    await asyncio.gather(*(rooms.intake.submit(DEVELOPER, Submission("hi")) for _ in range(50)))
    await rooms.told()
    assert calls == [50]
    assert rooms.queue.posts == [{"support@1"}]
    assert len(rooms.broker.records) == 50


async def test_readers_hear_of_the_first_status(rooms: Rooms):
    task = (await rooms.intake.submit(DEVELOPER, Submission("hi"))).task
    await rooms.told()
    (record,) = await rooms.log.read(task.id, 0)
    assert record == change_record(task)
    assert (record.before, record.after) == (Position(0, 0), Position(0, 1))
    assert (record.number, record.events[0].data) == (Place(0, 0, 63, 0).number, {"status": "queued"})


async def test_readers_hear_at_once_that_a_task_was_interrupted_before_it_ran(rooms: Rooms):
    task = (await rooms.intake.submit(DEVELOPER, Submission("hi"))).task
    interrupting = Submission("no, hello", session_id=task.session_id, on_busy=OnBusy.INTERRUPT)
    await rooms.intake.submit(DEVELOPER, interrupting)
    await rooms.told()
    records = await rooms.log.read(task.id, 0)
    assert [event.kind for record in records for event in record.events] == ["status", "done"]
    assert records[-1].events[-1].data["status"] == "cancelled"


async def test_the_agent_may_be_left_away_while_there_is_one():
    one, two = AgentService(None, name="one"), AgentService(None, name="two")
    rooms = Rooms(one, two)
    with pytest.raises(UnknownAgent, match="agent is missing; choose one of: one, two"):
        await rooms.intake.submit(DEVELOPER, Submission("hi"))
    with pytest.raises(UnknownAgent, match="there is no agent 'three' here; choose one of: one, two"):
        await rooms.intake.submit(DEVELOPER, Submission("hi", agent="three"))
    assert (await rooms.intake.submit(DEVELOPER, Submission("hi", agent="two"))).task.agent == "two"
    await rooms.told()


async def test_limits_can_be_lowered(rooms: Rooms):
    task = (await rooms.intake.submit(DEVELOPER, Submission("hi", limits={"steps": 3, "cost_usd": 0.1}))).task
    assert task.limits == Limits(steps=3, cost_usd="0.1")


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        ({"steps": 16}, "not raised above 15"),
        ({"cost_usd": "0.26"}, "not raised"),
        ({"cost_usd": "1e9999999"}, "cost_usd"),
        ({"cost_usd": "1e99999999999999999999"}, "cost_usd"),
        ({"cost_usd": 0}, "at least a millionth"),
        ({"cost_usd": "0.0000001"}, "at least a millionth"),
        ({"cost_usd": []}, "cost_usd"),
        ({"steps": 2.5}, "limits.steps"),
        ({"total_seconds": "5"}, "limits.total_seconds must be a number"),
        ({"total_seconds": -1}, "above zero"),
        ({"total_secs": 5}, "limits.total_secs is not known"),
    ],
)
async def test_limits_that_cannot_be_had(rooms: Rooms, limits: dict[str, object], words: str):
    with pytest.raises(InvalidRequest, match=words):
        await rooms.intake.submit(DEVELOPER, Submission("hi", limits=limits))


async def test_the_same_key_gives_the_same_task_and_tells_nobody_again(rooms: Rooms):
    first = await rooms.intake.submit(DEVELOPER, Submission("hi", idempotency_key="k"))
    await rooms.told()
    rooms.queue.posts.clear()
    again = await rooms.intake.submit(DEVELOPER, Submission("hi", idempotency_key="k"))
    assert (again.task.id, again.before, first.before) == (first.task.id, True, False)
    with pytest.raises(IdempotencyKeyReused):
        await rooms.intake.submit(DEVELOPER, Submission("ho", idempotency_key="k"))
    other = await rooms.intake.submit(Principal("dev", "eve"), Submission("ho", idempotency_key="k"))
    assert other.task.id != first.task.id


async def test_sessions(rooms: Rooms):
    session = (await rooms.intake.submit(DEVELOPER, Submission("hi"))).task.session_id
    second = (await rooms.intake.submit(DEVELOPER, Submission("and", session_id=session))).task
    assert second.status is TaskStatus.BLOCKED
    with pytest.raises(SessionBusy, match="busy with task"):
        await rooms.intake.submit(DEVELOPER, Submission("x", session_id=session, on_busy=OnBusy.REJECT))
    for principal, session_id in ((DEVELOPER, new_id()), (Principal("dev", "eve"), session)):
        with pytest.raises(NotFound):
            await rooms.intake.submit(principal, Submission("x", session_id=session_id))


async def test_an_interrupted_task_is_signalled(rooms: Rooms):
    first = (await rooms.intake.submit(DEVELOPER, Submission("hi"))).task
    await rooms.claim()
    listening = rooms.signals.listen()
    heard = asyncio.ensure_future(anext(listening))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    await rooms.intake.submit(DEVELOPER, Submission("stop", session_id=first.session_id, on_busy=OnBusy.INTERRUPT))
    assert await heard == first.id
    await listening.aclose()


async def test_cancelling_a_queued_task_ends_it_and_frees_the_next(rooms: Rooms):
    first = (await rooms.intake.submit(DEVELOPER, Submission("hi"))).task
    second = (await rooms.intake.submit(DEVELOPER, Submission("and", session_id=first.session_id))).task
    await rooms.announcer.close()
    rooms.queue.posts.clear()
    task = await rooms.intake.cancel(DEVELOPER, first.id)
    assert task.status is TaskStatus.CANCELLED
    await rooms.told()
    assert [event.kind for record in await rooms.log.read(first.id, 0) for event in record.events][-1] == "done"
    assert (await rooms.log.read(second.id, 0))[-1].events[0].data == {"status": "queued"}
    assert rooms.queue.posts == [{"support@1"}]
    assert (await rooms.intake.cancel(DEVELOPER, first.id)).status is TaskStatus.CANCELLED


async def test_cancelling_a_running_task_is_kept_and_signalled(rooms: Rooms):
    task = (await rooms.intake.submit(DEVELOPER, Submission("hi"))).task
    await rooms.claim()
    listening = rooms.signals.listen()
    heard = asyncio.ensure_future(anext(listening))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    cancelled = await rooms.intake.cancel(DEVELOPER, task.id)
    assert (cancelled.status, cancelled.cancel_requested) == (TaskStatus.RUNNING, True)
    assert await heard == task.id
    await listening.aclose()
    with pytest.raises(NotFound):
        await rooms.intake.cancel(Principal("dev", "eve"), task.id)


async def test_without_the_broker_tasks_are_admitted_all_the_same(rooms: Rooms):
    for operation in ("work_queue.post", "event_log.publish", "cancel_signals.send"):
        rooms.broker_faults.plan(operation, "never")
    task = (await rooms.intake.submit(DEVELOPER, Submission("hi"))).task
    await rooms.told()
    assert task.status is TaskStatus.QUEUED
    assert not rooms.broker.tickets


async def test_an_outage_of_the_broker_is_logged_once(rooms: Rooms):
    with structlog.testing.capture_logs() as logs:
        for _ in range(3):
            rooms.broker_faults.plan("work_queue.post", "never")
            await rooms.intake.submit(DEVELOPER, Submission("hi"))
            await rooms.told()
    assert [(line["event"], line["log_level"]) for line in logs] == [("tickets_lost", "warning")]


async def test_without_the_store_nothing_is_admitted(rooms: Rooms):
    rooms.store_faults.plan("task_store.submit", "never")
    with pytest.raises(StoreUnavailable):
        await rooms.intake.submit(DEVELOPER, Submission("hi"))
    await rooms.told()
    assert not rooms.broker.records


async def test_a_cancelled_request_leaves_a_whole_task(rooms: Rooms):
    request = asyncio.ensure_future(rooms.intake.submit(DEVELOPER, Submission("hi")))
    await asyncio.sleep(0)
    request.cancel()
    await asyncio.gather(request, return_exceptions=True)
    await rooms.intake.close()
    assert [row.status for row in rooms.database.tasks.values()] == [TaskStatus.QUEUED]


async def test_a_task_has_the_priority_of_its_service():
    rooms = Rooms(AgentService(None, name="chat", priority=7), AgentService(None, name="batch"))
    tasks = [(await rooms.intake.submit(DEVELOPER, Submission("hello", agent=name))).task for name in ("batch", "chat")]
    assert [task.priority for task in tasks] == [0, 7]
    worker = Worker(new_id(), {"batch@1": "", "chat@1": ""}, "here", 1)
    await MemoryWorkerRegistry(rooms.database).register(worker, 60)
    (first,) = await rooms.store.claim(worker.id, ["batch@1", "chat@1"], 1)
    assert first.task.agent == "chat"
