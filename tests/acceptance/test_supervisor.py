"""A supervisor replaces workers that are lost and leaves nobody behind, however it ends itself."""

from __future__ import annotations

import asyncio
import os
import signal
import time

import pytest

from .deployment import SHORT_LEASE
from .supervision import Supervision, asked, gone, seconds_between, spawned

LONG_LEASE = "60"
"""Longer than any of these tests: who goes on sooner has not waited for it."""


async def test_tasks_of_a_crashed_worker_go_on_at_once_and_not_after_its_lease(supervision: Supervision):
    desk = supervision.desk
    desk.hold("look_up")
    supervisor = await supervision.start(2, 2, lease_seconds=LONG_LEASE)
    task = await supervision.submit("charge", "look_up")
    first = await desk.until_called("look_up")
    killed_at = time.monotonic()
    os.kill(first.pid, signal.SIGKILL)
    second = await desk.until_called("look_up", 2)
    seconds = time.monotonic() - killed_at
    print(f"killed → called again by another worker: {seconds:.2f} s, with a lease of {LONG_LEASE} s")
    assert second.pid != first.pid
    assert seconds < 20
    desk.release()
    (ended,) = await supervision.ended(task)
    assert (ended["status"], ended["attempt"]) == ("succeeded", 2)
    assert desk.counts() == {"charge": 1, "look_up": 2}
    crashed = await supervisor.until_logged("worker_crashed", pid=first.pid)
    assert crashed["how"] == "ended by SIGKILL"
    await supervision.ready(supervisor, 3)
    assert await supervisor.terminate() == 0


async def test_a_worker_whose_event_loop_stands_still_is_replaced(supervision: Supervision):
    desk = supervision.desk
    desk.hold("stall", "look_up")
    supervisor = await supervision.start(2, 2, lease_seconds=SHORT_LEASE)
    neighbours = [await supervision.submit("look_up", "charge") for _ in range(4)]
    await desk.until_called("look_up", 4)
    task = await supervision.submit("stall")
    stuck = await desk.until_called("stall")
    said = await supervisor.until_logged("worker_stuck", pid=stuck.pid)
    assert 3 <= said["seconds"] < 10
    assert "running" not in said
    blocked = await supervisor.until_logged("event_loop_blocked", pid=stuck.pid)
    assert (blocked["task_id"], blocked["tool"]) == (task["id"], "stall")
    crashed = await supervisor.until_logged("worker_crashed", pid=stuck.pid)
    assert (crashed["how"], crashed["last_words"]) == ("ended by SIGKILL", "it stood still")
    desk.release()
    affected = {call.task_id for call in desk.calls if call.pid == stuck.pid}
    for ended in await supervision.ended(task, *neighbours):
        assert (ended["status"], ended["attempt"]) == ("succeeded", 2 if ended["id"] in affected else 1)
    assert desk.counts() == {"look_up": 4 + len(affected) - 1, "charge": 4, "stall": 2}
    await supervision.ready(supervisor, 3)
    assert await supervisor.terminate() == 0


async def test_asked_to_end_it_has_every_worker_hand_over(supervision: Supervision):
    desk = supervision.desk
    desk.hold("charge")
    supervisor = await supervision.start(2, 2, worker_concurrency="1")
    tasks = [await supervision.submit("charge", "look_up") for _ in range(2)]
    await desk.until_called("charge", 2)
    ending = asyncio.create_task(supervisor.terminate())
    await supervisor.until(lambda: len(supervisor.logged("worker_draining")) == 2, "both workers drain")
    assert (await asked(supervision.health_port, "/ready"))[0] == 503
    await supervision.start_plain_worker()
    desk.release()
    assert await ending == 0
    for ended in await supervision.ended(*tasks):
        assert (ended["status"], ended["attempt"]) == ("succeeded", 2)
        assert await supervision.deployment.failures(ended["id"]) == 0
    assert desk.counts() == {"charge": 2, "look_up": 2}
    assert len(supervisor.logged("worker_ended", how="exit code 0")) == 2


async def test_a_second_signal_kills_what_is_left_and_its_tasks_go_on_at_once(supervision: Supervision):
    desk = supervision.desk
    desk.hold("look_up")
    supervisor = await supervision.start(1, 1, lease_seconds=LONG_LEASE)
    task = await supervision.submit("look_up")
    await desk.until_called("look_up")
    supervisor.send(signal.SIGTERM)
    await supervisor.until_logged("worker_draining", running=1)
    assert await supervisor.terminate() == 130
    await gone(spawned(supervisor)[0])
    await supervision.start_plain_worker()
    await desk.until_called("look_up", 2)
    desk.release()
    (ended,) = await supervision.ended(task)
    assert (ended["status"], ended["attempt"]) == ("succeeded", 2)


async def test_a_worker_that_stands_still_keeps_no_supervisor_from_ending(supervision: Supervision):
    desk = supervision.desk
    desk.hold("stall")
    supervisor = await supervision.start(1, 1, lease_seconds=SHORT_LEASE)
    task = await supervision.submit("stall")
    await desk.until_called("stall")
    assert await supervisor.terminate() == 0
    (asked_to_end,) = supervisor.logged("supervisor_draining")
    (killed,) = supervisor.logged("worker_killed")
    assert seconds_between(asked_to_end, killed) < 10
    await supervision.start_plain_worker()
    desk.release()
    assert (await supervision.ended(task))[0]["status"] == "succeeded"


async def test_workers_of_a_killed_supervisor_hand_over_by_themselves(supervision: Supervision):
    desk = supervision.desk
    desk.hold("charge", "stall")
    supervisor = await supervision.start(2, 2, worker_concurrency="1", drain_seconds="0.5")
    orderly = await supervision.submit("charge", "look_up")
    await desk.until_called("charge")
    desk_is_asked = await supervision.submit("look_up")
    assert (await supervision.ended(desk_is_asked))[0]["status"] == "succeeded"
    supervisor.send(signal.SIGKILL)
    await supervisor.until(lambda: len(supervisor.logged("supervisor_lost")) == 2, "both workers notice")
    await supervisor.until(lambda: supervisor.logged("worker_draining"), "the one with a task drains")
    desk.release()
    for pid in spawned(supervisor):
        await gone(pid)
    await supervisor.ended()
    await supervision.start_plain_worker()
    (ended,) = await supervision.ended(orderly)
    assert (ended["status"], ended["attempt"]) == ("succeeded", 2)
    assert await supervision.deployment.failures(ended["id"]) == 0
    assert desk.counts() == {"charge": 1, "look_up": 2}


AT_START = """
import os, sys
async def reply(ctx, message):
    return message
if "supervised_worker" in sys.argv[0] and os.path.exists("broken"):
    {}
"""


async def test_workers_that_cannot_be_started_at_all_end_their_supervisor(supervision: Supervision):
    folder = supervision.deployment.folder
    (folder / "broken").touch()
    (folder / "shop.py").write_text(AT_START.format("raise RuntimeError('no licence')"))
    supervisor = await supervision.deployment.start("worker", "shop.py:reply", "--min", "2", "--health-port", "0")
    assert await supervisor.ended() == 1
    assert "roadworthy: 3 workers ended before they were ready, the last one with exit code 1" in supervisor.errors[-1]
    assert "no licence" in supervisor.errors[-1]


async def test_a_worker_that_crashes_at_every_start_is_started_ever_more_slowly_until_it_works(
    supervision: Supervision,
):
    folder = supervision.deployment.folder
    (folder / "shop.py").write_text(AT_START.format("os._exit(3)"))
    supervisor = await supervision.start(1, 1, target="shop.py:reply")
    (folder / "broken").touch()
    os.kill(spawned(supervisor)[0], signal.SIGKILL)
    pauses = [await supervisor.until_logged("workers_end_early", crashes=number) for number in (2, 3)]
    assert [entry["pause_seconds"] for entry in pauses] == [0.5, 1.0]
    status, answer = await asked(supervision.health_port, "/ready")
    assert (status, answer["reasons"].keys(), answer["workers"]) == (503, {"workers"}, [])
    assert supervisor.logged("worker_crashed")[-1]["how"] == "exit code 3"
    (folder / "broken").unlink()
    await supervision.ready(supervisor, 2)
    assert (await asked(supervision.health_port, "/ready"))[0] == 200
    assert await supervisor.terminate() == 0


async def test_a_target_that_cannot_be_loaded_is_said_before_any_worker_is_started(supervision: Supervision):
    supervisor = await supervision.deployment.start("worker", "nowhere.py:reply", "--max", "3")
    assert await supervisor.ended() == 2
    assert [line for line in supervisor.errors if "no file" in line] == supervisor.errors


async def test_a_worker_without_supervisor_that_stands_still_fails_its_health_check(supervision: Supervision):
    """Nobody answers: that is what a health check counts as failed."""
    desk, port = supervision.desk, supervision.health_port
    desk.hold("stall")
    worker = await supervision.deployment.start("worker", supervision.target, "--health-port", str(port))
    await worker.until_logged("worker_started")
    assert await asked(port, "/health") == (200, {"status": "ok"})
    assert "roadworthy_store_up 1.0" in (await asked(port, "/metrics"))[1]
    task = await supervision.submit("stall")
    await desk.until_called("stall")
    with pytest.raises(TimeoutError):
        await asked(port, "/health", seconds=0.5)
    desk.release()
    await supervision.ended(task)
    assert (await asked(port, "/health"))[0] == 200
