"""Which tier answers a task, and that no router can fail one."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import orjson
import pytest
from structlog.testing import capture_logs

from roadworthy import AgentService, ModelTiers, RouteRequest, RuleRouter
from roadworthy.adapters.memory.task_row import TaskRow
from roadworthy.core.model_gateway import routes as module
from roadworthy.core.model_gateway.routes import Routed, Routes
from roadworthy.core.model_gateway.routing.features import SPACE
from roadworthy.core.model_gateway.routing.trained import TrainedRouter
from roadworthy.domain.limits import Limits
from roadworthy.domain.task import Task, TaskStatus
from roadworthy.testing.conformance.scenario import ALICE, new_task

TIERS = ModelTiers(simple=["small"], moderate=["middle"], complex=["large"])
SAFE = Routed("moderate", "router_failed")


def service(router: Any = None, **others: Any) -> AgentService:
    return AgentService(None, name="support", models=TIERS, router=router, **others)


def task(text: str = "hello", **metadata: Any) -> Task:
    new = new_task(ALICE, input=text, metadata=orjson.dumps(metadata), limits=Limits())
    return TaskRow(new, created_at=0, waits_since=0, status=TaskStatus.QUEUED).task()


def says(tier: Any) -> Any:
    return lambda request: tier


async def routed(router: Any, text: str = "hello") -> Routed:
    return await Routes().tier(service(router), task(text), None)


async def test_a_service_without_tiers_is_not_routed():
    asked: list[RouteRequest] = []
    plain = AgentService(None, router=asked.append)
    assert await Routes().tier(plain, task(tier="complex"), "simple") == Routed(None, None)
    assert asked == []


async def test_rules_decide_where_nothing_else_is_said():
    routes = Routes()
    assert await routes.tier(service(), task("Hi!"), None) == Routed("simple", "rules")
    assert await routes.tier(service(), task("Prove that the square root of 2 is irrational."), None) == Routed(
        "moderate", "rules"
    )


async def test_the_router_is_told_what_it_may_look_at():
    asked: list[RouteRequest] = []

    def router(request: RouteRequest) -> Any:
        asked.append(request)
        return "complex"

    assert await Routes().tier(service(router), task("hello", plan="gold"), None) == Routed("complex", "router")
    assert asked == [RouteRequest("hello", {"plan": "gold"}, "acme", "alice", "support", "1")]


@pytest.mark.parametrize(
    ("router", "expected"),
    [
        (says("simple"), Routed("simple", "router")),
        (RuleRouter(), Routed("simple", "rules")),
        (TrainedRouter([0.0] * SPACE, (-1.0, 1.0)), Routed("moderate", "trained")),
    ],
)
async def test_a_service_has_its_own_router(router: Any, expected: Routed):
    assert await routed(router) == expected


async def test_an_object_and_a_coroutine_function_are_routers_too():
    class Own:
        async def route(self, request: RouteRequest) -> str:
            await asyncio.sleep(0)
            return "complex"

    async def function(request: RouteRequest) -> str:
        return "complex"

    assert await routed(Own()) == await routed(function) == Routed("complex", "router")


async def test_what_the_session_holds_is_not_decided_again():
    assert await Routes().tier(service(says("simple")), task(), "complex") == Routed("complex", "session")


async def test_a_tasks_own_wish_is_for_that_task_alone():
    wished = await Routes().tier(service(says("simple")), task(tier="complex"), "simple")
    assert wished == Routed("complex", "metadata")
    assert wished.session_tier is None
    assert Routed("simple", "session").session_tier == Routed("simple", "rules").session_tier == "simple"


@pytest.mark.parametrize("value", ["gold", 3, None, ["complex"], {"a": 1}, ""])
async def test_a_wish_that_is_no_tier_is_ignored_and_said_once(value: Any):
    routes, one = Routes(), service(says("simple"))
    with capture_logs() as logs:
        for _ in range(3):
            assert await routes.tier(one, task(tier=value), None) == Routed("simple", "router")
    assert [(entry["event"], entry["agent"]) for entry in logs] == [("tier_not_understood", "support")]


class OwnEnd(BaseException):
    """Not for `except Exception`."""


class Incomparable(str):
    def __eq__(self, other: object) -> bool:
        raise RuntimeError

    def __getitem__(self, key: Any) -> str:
        raise RuntimeError

    __hash__ = str.__hash__


def raises(error: BaseException) -> Any:
    def router(request: RouteRequest) -> Any:
        raise error

    async def later(request: RouteRequest) -> Any:
        await asyncio.sleep(0)
        raise error

    return pytest.param(router, id=f"{type(error).__name__}"), pytest.param(later, id=f"{type(error).__name__} later")


@pytest.mark.parametrize(
    "router",
    [
        *raises(ValueError("no")),
        *raises(SystemExit(3)),
        *raises(asyncio.CancelledError()),
        *raises(KeyboardInterrupt()),
        *raises(GeneratorExit()),
        *raises(OwnEnd("no")),
        *raises(BaseExceptionGroup("several", [OwnEnd("no")])),
        pytest.param(says(Incomparable("hard")), id="a string that can't be compared"),
        pytest.param(says("hard"), id="no tier"),
        pytest.param(says(None), id="nothing"),
        pytest.param(says(["simple"]), id="a list"),
        pytest.param(lambda: "simple", id="no parameter"),
    ],
)
async def test_a_router_in_trouble_is_passed_over(router: Any):
    with capture_logs() as logs:
        assert await routed(router) == SAFE
    assert [entry["event"] for entry in logs] == ["router_failed"]
    assert logs[0]["log_level"] == "error"
    assert (logs[0]["agent"], logs[0]["tier"]) == ("support", "moderate")


async def test_a_router_that_hangs_is_left_behind_even_if_it_holds_on(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "ROUTER_SECONDS", 0.01)
    let_go, ended = asyncio.Event(), asyncio.Event()

    async def router(request: RouteRequest) -> str:
        while not let_go.is_set():
            try:
                await let_go.wait()
            except asyncio.CancelledError:
                continue
        ended.set()
        return "simple"

    with capture_logs() as logs:
        assert await routed(router) == SAFE
    assert "did not answer within 0.01 s" in logs[0]["reason"]
    let_go.set()
    await ended.wait()


async def test_an_outage_of_a_router_is_said_once_for_each_agent_and_its_end_too():
    routes, answers = Routes(), iter(["?", "?", "simple", "simple"])
    failing = service(lambda request: next(answers))
    with capture_logs() as logs:
        for _ in range(4):
            await routes.tier(failing, task(), None)
        await routes.tier(AgentService(None, name="sales", models=TIERS, router=says("?")), task(), None)
    assert [(entry["event"], entry.get("agent")) for entry in logs] == [
        ("router_failed", "support"),
        ("router_back", None),
        ("router_failed", "sales"),
    ]


async def test_a_router_that_blocks_the_loop_is_named(monkeypatch: pytest.MonkeyPatch):
    now = iter([0.0, 0.06])
    with capture_logs() as logs, monkeypatch.context() as patched:
        patched.setattr(time, "monotonic", lambda: next(now, 1.0))
        assert await routed(says("simple")) == Routed("simple", "router")
    assert [(entry["event"], entry["agent"]) for entry in logs] == [("router_blocks_the_loop", "support")]
    assert "60 ms" in logs[0]["reason"]


async def test_an_attempt_that_is_cancelled_while_a_router_thinks_ends(monkeypatch: pytest.MonkeyPatch):
    thinking, cancelled = asyncio.Event(), asyncio.Event()

    async def router(request: RouteRequest) -> str:
        thinking.set()
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()
        return "simple"

    asking = asyncio.create_task(routed(router))
    await thinking.wait()
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    await cancelled.wait()
