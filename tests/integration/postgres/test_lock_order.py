"""Whoever locks several rows takes them in one order: else two wait for each other until the server ends one."""

import asyncio
from typing import Any

from roadworthy.domain.principal import Principal
from roadworthy.domain.task import OnBusy, TaskStatus
from roadworthy.ports.dead_letters import Resume, Resumed
from roadworthy.testing.conformance.scenario import ALICE, LANE, new_task, run_one, settle, submit, submit_one
from roadworthy.testing.conformance.stores import Stores

from .other_connection import OtherConnection

OPERATOR = Principal("operations", "olga", frozenset({"operator"}))
TWO_WAIT_FOR_EACH_OTHER = """
    select exists (
        select from pg_stat_activity one join pg_stat_activity two on one.pid = any(pg_blocking_pids(two.pid))
        where two.pid = any(pg_blocking_pids(one.pid))
    )
"""


async def both(other: OtherConnection, *calls: "asyncio.Task[Any]") -> list[Any]:
    """Their answers, if they never wait for each other; the server would let them for a second."""
    while not all(call.done() for call in calls):
        assert not await other.connection.fetchval(TWO_WAIT_FOR_EACH_OTHER)
    return [await call for call in calls]


async def test_a_lane_is_moved_while_a_task_is_cancelled_and_releases_an_older_one(
    stores: Stores, other: OtherConnection
):
    dead = (await settle(stores, await run_one(stores), TaskStatus.DEAD)).task
    queued = await submit_one(stores, session_id=dead.session_id)
    order = Resume(dead, dead.input, dead.limits, dead.version, from_start=False, reason="resumed", detail={})
    resumed = await stores.dead.resume(OPERATOR, order)
    assert isinstance(resumed, Resumed)
    assert (resumed.task.status, dead.id < queued.id) == (TaskStatus.BLOCKED, True)
    async with other.holding("select from tasks where id = $1 for update", queued.id):
        cancelling = await other.until_waiting(stores.tasks.cancel(ALICE, queued.id))
        moving = await other.until_waiting(stores.lanes.move(OPERATOR, LANE, "2", 10), behind=1)
    _, moved = await both(other, cancelling, moving)
    assert [task.id for task in moved] == [dead.id]


async def test_two_messages_interrupt_tasks_in_the_lanes_of_each_other(stores: Stores, other: OtherConnection):
    first, second = await submit(stores, new_task(agent="a"), new_task(agent="b"))
    messages = [
        new_task(session_id=first.session_id, agent="b", on_busy=OnBusy.INTERRUPT),
        new_task(session_id=second.session_id, agent="a", on_busy=OnBusy.INTERRUPT),
    ]
    async with other.holding("select from owners where lane = 'a@1' for update"):
        calls = [
            await other.until_waiting(stores.tasks.submit([message]), behind) for behind, message in enumerate(messages)
        ]
    await both(other, *calls)
    assert [(await stores.tasks.find(ALICE, task.id)).status for task in (first, second)] == [TaskStatus.CANCELLED] * 2
