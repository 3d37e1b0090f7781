"""A tool that fails: tried again where that helps, left alone for a while, answered for by its fallback."""

import asyncio
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import orjson
import pytest

from roadworthy import AgentService, ToolPolicy
from roadworthy.adapters.memory.breakers import MemoryBreakers
from roadworthy.adapters.memory.cache import MemoryCache
from roadworthy.core.breakers import TargetBreakers
from roadworthy.core.tool_gateway import tries
from roadworthy.core.tool_gateway.gateway import ToolGateway
from roadworthy.core.tool_gateway.last_results import Asked, LastResults
from roadworthy.domain.effect import NotDone
from roadworthy.domain.failure_class import pause_within_tool_call
from roadworthy.domain.journal import EntryKind
from roadworthy.domain.principal import DEVELOPER
from roadworthy.domain.task import Task, TaskStatus
from roadworthy.frameworks.function import TaskContext
from unit.execution.cluster import Cluster

from .deciding import answer, calling

READ = ToolPolicy(effect="read", seconds=5)


class Answered(Exception):
    """What an HTTP client raises for an answer."""

    def __init__(self, status: int) -> None:
        super().__init__(f"it said {status}")
        self.status_code = status


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tries, "pause_within_tool_call", lambda *_: 0.0)


class Desk:
    """A tool that does each of these things in turn, the last one again and again."""

    def __init__(self, *outcomes: Any) -> None:
        self.outcomes = outcomes
        self.calls = 0

    async def find(self, number: int) -> str:
        outcome = self.outcomes[min(self.calls, len(self.outcomes) - 1)]
        self.calls += 1
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome if isinstance(outcome, str) else await outcome()


def agent_of(desk: Desk, steps: int = 1) -> Any:
    async def find(number: int) -> str:
        return await desk.find(number)

    return calling(find, *([{"number": step}] for step in range(steps)))


async def run(
    agent: Any, policy: ToolPolicy, gateway: ToolGateway | None = None, cluster: Cluster | None = None
) -> Task:
    service, cluster = AgentService(agent, tools={"find": policy}), cluster or Cluster()
    async with cluster.working(service, max_retries=0, tool_gateway=gateway):
        task = await cluster.submit(service)
        running = (TaskStatus.QUEUED, TaskStatus.RUNNING)
        return await cluster.until(task, lambda found: found.status not in running)


def error_of(task: Task) -> dict[str, Any]:
    return orjson.loads(task.error or b"{}")


# Again


@pytest.mark.parametrize(
    ("raised", "calls"),
    [
        (ConnectionResetError("gone"), 3),
        (TimeoutError("slow"), 3),
        (Answered(503), 3),
        (Answered(429), 3),
        (RuntimeError("it happens"), 3),
        (Answered(404), 1),
        (SystemExit(3), 1),
    ],
    ids=repr,
)
@pytest.mark.parametrize("effect", ["read", "idempotent"])
async def test_only_what_another_try_may_help_is_tried_again(raised: BaseException, calls: int, effect: Any):
    desk = Desk(raised, raised, "found")
    task = await run(agent_of(desk), ToolPolicy(effect=effect, retries=2))
    assert desk.calls == calls
    if calls == 3:
        assert answer(task) == [["success", "found"]]
    else:
        assert task.status is TaskStatus.DEAD and error_of(task)["tool"] == "find"


def test_pauses_are_short_and_grow_and_no_call_waits_long_for_a_service_that_wants_time():
    assert [pause_within_tool_call(failures, None, 0) for failures in (1, 2, 3)] == [0.25, 1.0, 1.0]
    assert pause_within_tool_call(1, 3, 0) == 3
    assert pause_within_tool_call(1, 60, 0) is None


async def test_what_must_happen_once_is_not_tried_again_and_nothing_answers_for_it():
    desk, asked = Desk(Answered(503)), Desk("instead")
    task = await run(agent_of(desk), ToolPolicy(fallback=asked.find))
    assert (task.status, desk.calls, asked.calls) == (TaskStatus.WAITING, 1, 0)


# Bad ends


@pytest.mark.parametrize(
    ("raised", "words"),
    [
        (asyncio.CancelledError(), "the tool 'find' cancelled itself"),
        (KeyboardInterrupt(), "the tool 'find' raised KeyboardInterrupt"),
        (SystemExit("bye"), "the tool 'find' raised SystemExit: bye"),
        (BaseException("odd"), "the tool 'find' raised BaseException: odd"),
    ],
    ids=repr,
)
async def test_what_would_end_a_worker_ends_the_call_and_says_which(raised: BaseException, words: str):
    cluster = Cluster()
    task = await run(agent_of(Desk(raised)), READ, cluster=cluster)
    assert task.status is TaskStatus.DEAD and words in (task.reason or "")
    assert answer(await run(agent_of(Desk("well")), READ, cluster=cluster)) == [["success", "well"]]


# Left alone


def failing(gateway: ToolGateway) -> ToolGateway:
    return replace(gateway, breakers=TargetBreakers(threshold=2, open_seconds=60))


async def test_a_tool_that_fails_again_and_again_is_not_called_and_the_model_is_told_until_when():
    desk, gateway = Desk(Answered(503)), failing(ToolGateway())
    for _ in range(2):
        assert (await run(agent_of(desk), READ, gateway)).status is TaskStatus.DEAD
    ((outcome, words),) = answer(await run(agent_of(desk), READ, gateway))
    assert desk.calls == 2
    assert outcome == "failed" and "find is not available" in words and "called again in 60 s" in words
    assert gateway.breakers.open == {"tool:agent:find": True}


async def test_what_must_happen_once_is_not_even_begun_then():
    desk, gateway, cluster = Desk(Answered(503)), failing(ToolGateway()), Cluster()
    for _ in range(2):
        await run(agent_of(desk), READ, gateway)
    task = await run(agent_of(desk), ToolPolicy(), gateway, cluster)
    assert "find is not available" in answer(task)[0][1]
    kinds = [entry.kind for entry in await cluster.journal.read(DEVELOPER, task.id)]
    assert EntryKind.STARTED not in kinds and desk.calls == 2


async def test_code_is_tried_again_later_instead():
    gateway = failing(ToolGateway())

    async def find() -> str:
        raise ConnectionResetError("gone")

    async def reply(ctx: TaskContext, message: str) -> str:
        return await ctx.tool(find)

    for _ in range(3):
        task = await run(reply, READ, gateway)
    assert error_of(task)["code"] == "tool_service_failed"


@pytest.mark.parametrize("raised", [NotDone("no"), ValueError("wrong"), Answered(404)], ids=repr)
async def test_what_says_nothing_of_the_service_opens_no_breaker(raised: Exception):
    desk, gateway = Desk(raised), failing(ToolGateway())
    for _ in range(3):
        await run(agent_of(desk), READ, gateway)
    assert desk.calls == 3 and not any(gateway.breakers.open.values())


async def test_a_retry_stops_where_the_breaker_opens():
    desk, gateway = Desk(ConnectionResetError("gone")), failing(ToolGateway())
    await run(agent_of(desk), replace(READ, retries=5), gateway)
    assert desk.calls == 2


async def test_all_workers_share_what_they_know_of_a_tool():
    cluster, desk = Cluster(), Desk(Answered(503))
    here, there = (ToolGateway(breakers=TargetBreakers(MemoryBreakers(cluster.broker), 1, 60)) for _ in range(2))
    await run(agent_of(desk), READ, here)
    await here.breakers.close()
    assert answer(await run(agent_of(desk), READ, there))[0][0] == "failed"
    assert desk.calls == 1


# In its place


async def plain(number: int) -> str:
    return f"instead of {number}"


def in_a_thread(number: int) -> str:
    assert threading.current_thread() is not threading.main_thread()
    return f"instead of {number}"


@pytest.mark.parametrize("fallback", [plain, in_a_thread, lambda number: plain(number)])
async def test_a_function_answers_in_its_place(fallback: Any):
    cluster, gateway = Cluster(), ToolGateway()
    task = await run(agent_of(Desk(Answered(503))), replace(READ, fallback=fallback), gateway, cluster)
    assert answer(task) == [["success", "instead of 0"]]
    (entry,) = [e for e in await cluster.journal.read(DEVELOPER, task.id) if e.kind is EntryKind.TOOL]
    assert entry.detail["outcome"] == "fallback"
    assert gateway.calls == {("agent", "find", "fallback"): 1}


async def hangs(number: int) -> str:
    await asyncio.Event().wait()
    return "never"


async def raises(number: int) -> str:
    raise SystemExit(1)


async def cancels(number: int) -> str:
    raise asyncio.CancelledError


async def gives_what_nobody_can_keep(number: int) -> Any:
    return object()


@pytest.mark.parametrize("fallback", [hangs, raises, cancels, gives_what_nobody_can_keep])
async def test_one_that_fails_is_as_good_as_none(fallback: Any):
    gateway = ToolGateway()
    task = await run(agent_of(Desk(Answered(503))), ToolPolicy("read", 0.1, fallback=fallback), gateway)
    assert (task.status, error_of(task)["code"]) == (TaskStatus.DEAD, "tool_service_failed")
    assert gateway.calls == {("agent", "find", "tool_service_failed"): 1}


async def test_skip_tells_the_model_and_gives_code_nothing():
    skip = replace(READ, fallback="skip")
    ((outcome, words),) = answer(await run(agent_of(Desk(Answered(503))), skip))
    assert outcome == "success" and words == "find is not available right now; go on without it."

    async def find() -> str:
        raise ConnectionResetError("gone")

    async def reply(ctx: TaskContext, message: str) -> Any:
        return await ctx.tool(find)

    task = await run(reply, skip)
    assert (task.status, task.output) == (TaskStatus.SUCCEEDED, b"null")


async def test_the_last_good_result_answers_with_its_age():
    cluster = Cluster()
    gateway, policy = (
        ToolGateway(last_results=LastResults(MemoryCache(cluster.broker))),
        replace(READ, fallback="cached"),
    )
    desk = Desk("on its way", Answered(503))
    await run(agent_of(desk), policy, gateway)
    ((_, told),) = answer(await run(agent_of(desk), policy, gateway))
    assert told == {
        "note": "find is not available right now. This is what it said 1 seconds ago.",
        "result": "on its way",
    }


async def test_nobody_gets_what_a_tool_told_somebody_else():
    cache = MemoryCache(Cluster().broker)
    results = LastResults(cache)
    asked = Asked(DEVELOPER, "agent", "find", b"{}")
    results.keep(asked, "mine")
    await results.close()
    last = await results.find(asked)
    assert last is not None and last.result == "mine"
    others: list[Callable[[], Asked]] = [
        lambda: replace(asked, principal=replace(DEVELOPER, user="somebody")),
        lambda: replace(asked, principal=replace(DEVELOPER, tenant="else")),
        lambda: replace(asked, agent="other"),
        lambda: replace(asked, tool="search"),
        lambda: replace(asked, arguments=b'{"a":1}'),
    ]
    for other in others:
        assert await results.find(other()) is None
    await cache.drop(f"tenant:{DEVELOPER.tenant}")
    assert await results.find(asked) is None


async def test_a_cache_that_is_away_fails_no_task():
    class Away(MemoryCache):
        async def get(self, *_: Any, **__: Any) -> Any:
            raise ConnectionError("away")

    cluster = Cluster()
    gateway = ToolGateway(last_results=LastResults(Away(cluster.broker)))
    policy = replace(READ, fallback="cached")
    assert answer(await run(agent_of(Desk("found")), policy, gateway)) == [["success", "found"]]
    task = await run(agent_of(Desk(Answered(503))), policy, gateway)
    assert error_of(task)["code"] == "tool_service_failed"
