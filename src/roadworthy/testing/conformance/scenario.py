"""Tasks, workers and writes for the contracts, with only what matters to a test said in it."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any
from uuid import UUID, uuid4

from roadworthy.domain.ids import SessionId, new_id
from roadworthy.domain.journal import EntryKind, EntryWrite
from roadworthy.domain.limits import Limits
from roadworthy.domain.principal import Principal
from roadworthy.domain.task import Claimed, NewTask, Settlement, Task, TaskStatus, Turn
from roadworthy.ports.task_store import Settled, Submitted
from roadworthy.ports.worker_registry import Worker
from roadworthy.testing.conformance.stores import Stores

ALICE = Principal("acme", "alice")
BOB = Principal("acme", "bob")
ALICE_ELSEWHERE = Principal("rival", "alice")
STRANGERS = (BOB, ALICE_ELSEWHERE)
"""They share one half of Alice's identity each, and may see nothing of hers."""

LANE = "support@1"

_given = deque([new_id()], maxlen=1)


def rising_id() -> UUID:
    """A new id above all that this function gave before, also within one millisecond."""
    while (made := new_id()) <= _given[-1]:
        pass
    _given.append(made)
    return made


def new_task(principal: Principal = ALICE, session_id: SessionId | None = None, **others: Any) -> NewTask:
    """A task of a new session, or the next one of `session_id`."""
    fields: dict[str, Any] = {
        "id": rising_id(),
        "opens_session": session_id is None,
        "agent": "support",
        "version": "1",
        "input": "Where is my parcel?",
        "limits": Limits(),
    }
    return NewTask(principal=principal, session_id=session_id or rising_id(), **(fields | others))


async def submit(stores: Stores, *tasks: NewTask) -> list[Task]:
    """Submit all in one call; each must be accepted."""
    accepted: list[Task] = []
    for outcome in await stores.tasks.submit(tasks):
        assert isinstance(outcome, Submitted), outcome
        accepted.append(outcome.task)
    return accepted


async def submit_one(stores: Stores, principal: Principal = ALICE, **others: Any) -> Task:
    return (await submit(stores, new_task(principal, **others)))[0]


async def register(stores: Stores, lease_seconds: float = 60, lanes: Sequence[str] = (LANE,)) -> UUID:
    worker = Worker(id=uuid4(), lanes=dict.fromkeys(lanes, "digest"), host="here", process_id=1)
    await stores.workers.register(worker, lease_seconds)
    return worker.id


async def claim_one(stores: Stores, worker_id: UUID | None = None) -> Claimed:
    """The next task of the lane, for that worker or a new one; there must be one."""
    worker_id = worker_id or await register(stores)
    claimed = await stores.tasks.claim(worker_id, [LANE], 1)
    assert len(claimed) == 1, "nothing to claim"
    return claimed[0]


async def run_one(
    stores: Stores, principal: Principal = ALICE, worker_id: UUID | None = None, **others: Any
) -> Claimed:
    """Submit a task and claim it; no other may be claimable."""
    task = await submit_one(stores, principal, **others)
    claimed = await claim_one(stores, worker_id)
    assert claimed.task.id == task.id
    return claimed


def end_of(claimed: Claimed, status: TaskStatus = TaskStatus.SUCCEEDED, **others: Any) -> Settlement:
    return Settlement(fence=claimed.fence, session_id=claimed.task.session_id, status=status, **others)


async def settle(stores: Stores, claimed: Claimed, status: TaskStatus = TaskStatus.SUCCEEDED, **others: Any) -> Settled:
    """Settle; it must not be refused."""
    (outcome,) = await stores.tasks.settle([end_of(claimed, status, **others)])
    assert isinstance(outcome, Settled)
    return outcome


async def park(stores: Stores, **others: Any) -> Task:
    """A task that waits for a person."""
    return (await settle(stores, await run_one(stores, **others), TaskStatus.WAITING)).task


def turn(text: str) -> Turn:
    return Turn("plain", text.encode())


def entry(claimed: Claimed, key: str, detail: bytes = b"{}", kind: EntryKind = EntryKind.MODEL) -> EntryWrite:
    return EntryWrite(claimed.fence, key, kind, payload=f"payload of {key}".encode(), detail=detail)


async def lose_worker(stores: Stores, worker_id: UUID, max_retries: int = 3) -> list[Task]:
    """Take the worker's tasks away from it; they and those that this released, as they are now."""
    await stores.workers.deregister(worker_id)
    return list(await stores.upkeep.rescue_expired_leases(max_retries, 1000))


def statuses(task: Task) -> list[TaskStatus]:
    return [change.status for change in task.changes]
