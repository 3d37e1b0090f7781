"""A supervisor has as many workers as the queue needs."""

from __future__ import annotations

from .processes import Process
from .supervision import Supervision, asked, gone, spawned


def numbers(supervisor: Process) -> list[int]:
    """Of workers that were wanted, one after the other."""
    return [entry["now"] for entry in supervisor.logged("workers_wanted")]


async def test_it_grows_with_the_queue_and_shrinks_afterwards_without_going_to_and_fro(supervision: Supervision):
    desk = supervision.desk
    desk.hold("look_up")
    supervisor = await supervision.start(
        0, 3, worker_concurrency="2", scale_up_threshold="1", scale_down_threshold="0.5", scale_down_seconds="1"
    )
    assert await asked(supervision.health_port, "/ready") == (200, {"status": "ready", "wanted": 0, "workers": []})
    tasks = [await supervision.submit("look_up", "charge") for _ in range(12)]
    await desk.until_called("look_up", 6)
    assert len({call.pid for call in desk.calls}) == 3
    await supervision.ready(supervisor, 3)
    _, health = await asked(supervision.health_port, "/health")
    assert sorted(worker["pid"] for worker in health["workers"]) == sorted(spawned(supervisor))
    assert [(worker["state"], worker["slots"]) for worker in health["workers"]] == [("ready", 2)] * 3
    _, of_supervisor = await asked(supervision.health_port, "/metrics")
    of_api = (await supervision.api.get("/metrics")).body.decode()
    for metrics in (of_supervisor, of_api):
        assert 'roadworthy_queue_depth{lane="small@1"} 12.0' in metrics
        assert 'roadworthy_tasks_running{lane="small@1"} 6.0' in metrics

    desk.release()
    ended = await supervision.ended(*tasks)
    assert {(task["status"], task["attempt"]) for task in ended} <= {("succeeded", 1), ("succeeded", 2)}
    await supervisor.until_logged("workers_wanted", now=0)
    for pid in spawned(supervisor):
        await gone(pid)
    counts = numbers(supervisor)
    top = counts.index(3)
    assert counts == sorted(counts[:top]) + sorted(counts[top:], reverse=True), "up, and then down"
    assert len(spawned(supervisor)) == 3
    # Who was asked to go while it had something to do handed it over: nothing was called twice.
    assert desk.counts() == {"look_up": 12, "charge": 12}
    assert not supervisor.logged("worker_crashed")
    assert await supervisor.terminate() == 0
