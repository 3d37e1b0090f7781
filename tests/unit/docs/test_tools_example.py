"""The example of docs/tools.md under the gate: what the page says of it is what happens."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest
from execution.cluster import Cluster
from pydantic_ai.messages import ModelMessage, ModelResponse, TextPart, ToolCallPart, ToolReturnPart
from pydantic_ai.models.function import AgentInfo, FunctionModel

from roadworthy import AgentService, Done, NotDone, StartedCall
from roadworthy.adapters.memory.event_log import MemoryCancelSignals
from roadworthy.adapters.memory.work_queue import MemoryWorkQueue
from roadworthy.core.announcer import Announcer
from roadworthy.core.insight.pending import PendingReader
from roadworthy.core.operations.decide_call import DecideCall
from roadworthy.core.publisher import EventPublisher
from roadworthy.domain.principal import DEVELOPER
from roadworthy.domain.task import TaskStatus
from roadworthy.tools.http import RequestNotSent, Response

from .documents import blocks, text_of

(EXAMPLE,) = blocks(text_of("docs/tools.md"), "python")
LEASE_SECONDS = 60
"""Longer than the machine may be busy with other things."""


class ShopService:
    """What answers at api.shop.example: it knows refunds by their reference."""

    def __init__(self) -> None:
        self.refunds: dict[str, int] = {}
        self.asked = 0
        self.refuses = False
        self.is_away = False
        self.breaks_after_paying = False

    async def get(self, url: str) -> Response:
        reference = url.partition("reference=")[2]
        return _answer(200, [{"receipt": 12}] if reference in self.refunds else [])

    async def post(self, url: str, json: dict[str, Any]) -> Response:
        if self.is_away:
            raise RequestNotSent("no connection to api.shop.example")
        self.asked += 1
        if self.refuses:
            return _answer(409, {})
        self.refunds[json["reference"]] = json["cents"]
        if self.breaks_after_paying:
            raise ConnectionResetError("the connection broke")
        return _answer(200, {"receipt": 12})


def _answer(status: int, body: object) -> Response:
    return Response(status, {}, orjson.dumps(body), "https://api.shop.example/")


class Shop:
    """The page's service, with this one behind its tools and a model that asks for what it is told to."""

    def __init__(self, file: Path) -> None:
        file.write_text(EXAMPLE)
        spec = importlib.util.spec_from_file_location("shop_of_the_page", file)
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        self.names = vars(module)
        self.behind = self.names["shop"] = ShopService()
        self.service: AgentService = self.names["service"]
        self.cluster = Cluster()
        self.publisher = EventPublisher(self.cluster.event_log)
        signals = MemoryCancelSignals(self.cluster.broker)
        self.announcer = Announcer(MemoryWorkQueue(self.cluster.broker), self.publisher, signals)
        self.pending = PendingReader(self.cluster.decisions, self.cluster.journal, LEASE_SECONDS)

    def model_asks(self, *calls: ToolCallPart) -> None:
        def reply(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
            told = [
                str(part.content) for message in messages for part in message.parts if isinstance(part, ToolReturnPart)
            ]
            turn = sum(isinstance(message, ModelResponse) for message in messages)
            return ModelResponse(parts=[calls[turn] if turn < len(calls) else TextPart(" | ".join(told))])

        self.service.agent.model = FunctionModel(reply)

    async def answer(self, decide: Callable[[dict[str, Any]], dict[str, Any]] | None = None) -> str:
        """What the model was told, where somebody decides what waits like that."""
        deciding = DecideCall(
            self.cluster.tasks, self.cluster.journal, self.cluster.decisions, self.announcer, LEASE_SECONDS
        )
        async with self.cluster.working(self.service, lease_seconds=LEASE_SECONDS):
            task = await self.cluster.submit(self.service)
            if decide is not None:
                task = await self.cluster.reaches(task, TaskStatus.WAITING)
                assert self.behind.refunds == {}
                for call in await self.pending.of_task(task):
                    order = {"call_id": call["call_id"], **decide(call)}
                    await deciding.decide(DEVELOPER, task.id, order)
                await self.announcer.close()
                await self.publisher.close()
            task = await self.cluster.ended(task)
        assert task.status is TaskStatus.SUCCEEDED, task.reason
        return orjson.loads(task.output or b"")


@pytest.fixture
def shop(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Shop:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "not-a-key")
    return Shop(tmp_path / "shop_of_the_page.py")


def refund(cents: int, call_id: str = "a") -> ToolCallPart:
    return ToolCallPart("refund", {"order_id": "DC-2207", "cents": cents}, call_id)


async def test_a_small_refund_is_paid_and_asked_for_again_it_is_paid_once(shop: Shop):
    shop.model_asks(refund(900), refund(900, "b"))
    assert await shop.answer() == "paid back, receipt 12 | paid back, receipt 12"
    assert shop.behind.asked == 1
    ((reference, cents),) = shop.behind.refunds.items()
    assert (reference[:3], cents) == ("rw-", 900)


async def test_a_large_one_waits_and_is_paid_as_it_was_allowed(shop: Shop):
    shop.model_asks(refund(3300))
    value = {"order_id": "DC-2207", "cents": 1500}
    assert await shop.answer(lambda call: {"decision": "approve", "value": value}) == "paid back, receipt 12"
    assert list(shop.behind.refunds.values()) == [1500]


async def test_or_is_not_paid_and_the_model_reads_why(shop: Shop):
    shop.model_asks(refund(3300))
    told = await shop.answer(lambda call: {"decision": "deny", "note": "after 30 days we don't"})
    assert "after 30 days we don't" in told
    assert shop.behind.asked == 0


async def test_one_that_certainly_did_not_happen_is_told(shop: Shop):
    shop.behind.refuses = True
    shop.model_asks(refund(900))
    assert "this order can't be refunded" in await shop.answer()


async def test_one_that_never_reached_the_shop_is_told_at_once(shop: Shop):
    shop.behind.is_away = True
    shop.model_asks(refund(900))
    assert "the shop could not be reached" in await shop.answer()
    assert shop.behind.asked == 0


async def test_one_that_may_have_happened_is_not_paid_again_before_the_shop_was_asked(shop: Shop):
    shop.behind.breaks_after_paying = True
    shop.model_asks(refund(900))
    async with shop.cluster.working(shop.service, lease_seconds=LEASE_SECONDS):
        task = await shop.cluster.submit(shop.service)
        task = await shop.cluster.until(task, lambda task: task.status is TaskStatus.QUEUED and task.attempt == 1)
        assert "its reconcile function is asked in" in (task.reason or "")
    assert shop.behind.asked == 1


async def test_what_the_shop_says_of_a_call(shop: Shop):
    was_refunded = shop.names["was_refunded"]
    call = StartedCall("refund", {}, "rw-1", "t", "s", "dev", "dev", "t1:a", 1, 0.0)
    assert isinstance(await was_refunded(call), NotDone)
    shop.behind.refunds["rw-1"] = 900
    assert await was_refunded(call) == Done("paid back, receipt 12")
