"""A chain of real clients before the simulated provider: whatever one model does wrong, another one answers."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import replace
from typing import Any

import orjson
import pytest
from pydantic_ai import Agent
from pydantic_ai.capabilities import ProcessEventStream
from pydantic_ai.models import Model
from pydantic_ai.models.anthropic import AnthropicModel
from pydantic_ai.models.fallback import FallbackModel
from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel
from pydantic_ai.models.wrapper import WrapperModel
from pydantic_ai.providers.anthropic import AnthropicProvider
from pydantic_ai.providers.openai import OpenAIProvider

from roadworthy import AgentService, Limits, ModelTiers, Price, ToolPolicy
from roadworthy.domain.event import EventKind
from roadworthy.domain.principal import DEVELOPER
from roadworthy.domain.task import Task, TaskStatus
from roadworthy.frameworks.pydantic_ai.runner import transport
from roadworthy.testing.simulated_provider import ProviderSettings, SimulatedProvider, start
from roadworthy.testing.simulated_provider.faults import NAMED_FAULTS
from unit.execution.cluster import Cluster

WIRES = ("openai", "anthropic")
REFUSED = ("400", "401", "403", "404", "413", "429", "500", "503")
BROKEN_OFF = ("cut", "malformed", "error-event")
"""Faults in the middle of an answer, some of which readers have seen by then."""
LIMITS = Limits(step_seconds=5, first_token_seconds=0.5)
PRICES = {name: Price("1", "5") for name in ("sim-tools1-bad", "sim-tools1-good", "sim-good", "sim-bad")}


@pytest.fixture
async def provider() -> AsyncGenerator[SimulatedProvider]:
    provider = await start(ProviderSettings(tokens=12, tokens_per_second=400, retry_after_seconds=0.1))
    yield provider
    # What it holds belongs to the event loop of this test.
    await transport.close()
    await provider.stop()


def model_at(provider: SimulatedProvider, wire: str, name: str) -> Model:
    if wire == "anthropic":
        return AnthropicModel(name, provider=AnthropicProvider(base_url=provider.url, api_key="none"))
    return OpenAIChatModel(name, provider=OpenAIProvider(base_url=provider.openai_url, api_key="none"))


def service_at(provider: SimulatedProvider, wire: str, *names: str, **fields: Any) -> AgentService:
    agent = Agent(model_at(provider, wire, "unused"))

    @agent.tool_plain
    async def look(item: str = "lamp") -> str:
        return f"{item} is in stock"

    options = {
        "models": ModelTiers(moderate=names),
        "router": lambda _: "moderate",
        "prices": PRICES,
        "limits": LIMITS,
        "tools": {"look": ToolPolicy(effect="read")},
    }
    return AgentService(agent, **(options | fields))  # type: ignore[arg-type]


def fail(provider: SimulatedProvider, *faults: str) -> None:
    provider.control(faults=list(faults))


async def run(service: AgentService, cluster: Cluster | None = None, **settings: Any) -> tuple[Cluster, Task]:
    cluster = cluster or Cluster()
    async with cluster.working(service, **settings):
        return cluster, await cluster.ended(await cluster.submit(service))


async def entries(cluster: Cluster, task: Task) -> list[dict[str, Any]]:
    journal = await cluster.journal.read(DEVELOPER, task.id)
    return [entry.detail for entry in journal if entry.name.startswith("m")]


@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize("fault", [*NAMED_FAULTS, *REFUSED])
async def test_whatever_the_first_model_does_the_second_one_answers(provider: SimulatedProvider, wire: str, fault: str):
    fail(provider, f"{fault}/sim-tools1-bad")
    service = service_at(provider, wire, "sim-tools1-bad", "sim-tools1-good")
    cluster, task = await run(service)
    assert (task.status, task.attempt) == (TaskStatus.SUCCEEDED, 1), task.reason
    steps = await entries(cluster, task)
    assert [step["model"] for step in steps] == ["sim-tools1-good"] * 2
    for step in steps:
        *failed, last = step["tries"]
        assert last["failure"] is None and last["cost"] == step["cost"] > 0
        assert failed and all(one["model"] == "sim-tools1-bad" and one["failure"] for one in failed)
        is_uncertain = fault in (*BROKEN_OFF, "hang", "refused")
        assert all(one.get("uncertain", False) == is_uncertain for one in failed)
    assert task.usage.tool_calls == 1
    billed = sum(record.outcome == "answered" for record in provider.requests)
    assert billed == 2, "nobody was asked who had answered already"


@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize("fault", BROKEN_OFF)
async def test_readers_of_an_answer_that_broke_off_get_all_of_the_next_one(
    provider: SimulatedProvider, wire: str, fault: str
):
    fail(provider, f"{fault}/sim-bad")
    provider.control(tokens=30)
    cluster, task = await run(service_at(provider, wire, "sim-bad", "sim-good"))
    seen = [event for record in await cluster.event_log.read(task.id, 0) for event in record.events]
    numbers = [event.number for event in seen]
    assert numbers == sorted(set(numbers))
    shown = ""
    for event in seen:
        if event.kind is EventKind.RESTART:
            shown = ""
        elif event.kind is EventKind.TEXT:
            shown += event.data["text"]
    assert shown == orjson.loads(task.output or b"")


@pytest.mark.parametrize("fault", BROKEN_OFF)
async def test_the_same_model_is_asked_again_where_it_is_the_only_one(provider: SimulatedProvider, fault: str):
    fail(provider, f"{fault}@1/sim-good")
    cluster, task = await run(service_at(provider, "openai", "sim-good"))
    (step,) = await entries(cluster, task)
    assert [one["failure"] is None for one in step["tries"]] == [False, True]
    events = [event for record in await cluster.event_log.read(task.id, 0) for event in record.events]
    assert EventKind.RESTART in [event.kind for event in events]
    assert orjson.loads(task.output or b"") == "".join(text for _, text in step["pieces"])


@pytest.mark.parametrize("wire", WIRES)
async def test_a_model_that_sends_nothing_has_shorter_to_answer_than_one_that_has_begun(
    provider: SimulatedProvider, wire: str
):
    fail(provider, "hang/sim-tools1-bad")
    limits = Limits(step_seconds=30, first_token_seconds=0.3)
    cluster, task = await run(service_at(provider, wire, "sim-tools1-bad", "sim-good", limits=limits))
    (step,) = await entries(cluster, task)
    failed = step["tries"][0]
    assert failed["failure"] == "model_timed_out" and 0.3 <= failed["seconds"] < 5


@pytest.mark.parametrize("wire", WIRES)
async def test_one_that_has_begun_may_take_its_time(provider: SimulatedProvider, wire: str):
    provider.control(tokens=30, tokens_per_second=60)
    limits = Limits(step_seconds=30, first_token_seconds=0.3)
    cluster, task = await run(service_at(provider, wire, "sim-good", limits=limits))
    (step,) = await entries(cluster, task)
    assert "tries" not in step and step["seconds"] > 0.3


async def test_the_words_say_that_nothing_came(provider: SimulatedProvider):
    fail(provider, "hang")
    service = service_at(provider, "openai", "sim-good", limits=Limits(step_seconds=5, first_token_seconds=0.3))
    _, task = await run(service, max_retries=0)
    assert "the model 'sim-good' sent nothing within 0.3 s (limits.first_token_seconds)" in (task.reason or "")


async def test_a_conversation_that_is_too_long_is_answered_from_the_simplified_prompt(provider: SimulatedProvider):
    fail(provider, "413@2")
    cluster, task = await run(service_at(provider, "openai", "sim-tools1-good"))
    assert task.status is TaskStatus.SUCCEEDED
    first, second = await entries(cluster, task)
    assert "tries" not in first
    assert [(one["failure"], one.get("simplified", False)) for one in second["tries"]] == [
        ("context_too_long", False),
        (None, True),
    ]
    asked = provider.requests[-1]
    assert asked.message.startswith("hello\n\nWhat was found out so far:\n- look: ")


@pytest.mark.parametrize("wire", WIRES)
async def test_where_the_money_is_short_the_answer_is_cut_and_the_task_ends_with_it(
    provider: SimulatedProvider, wire: str
):
    provider.control(tokens=400, tokens_per_second=0)
    # Enough for the question and some hundred tokens of output at $5 a million.
    service = service_at(provider, wire, "sim-good", limits=replace(LIMITS, cost_usd="0.0015"))
    cluster, task = await run(service)
    (step,) = await entries(cluster, task)
    assert task.status is TaskStatus.PARTIAL
    assert "the answer was cut short" in (task.reason or "")
    assert 0 < step["usage"]["output_tokens"] < 400
    assert orjson.loads(task.output or b"") == "".join(text for _, text in step["pieces"])
    assert task.usage.cost <= 1500


@pytest.mark.parametrize("kind", ["fallback", "wrapper", "responses"])
async def test_an_agents_own_kind_of_model_keeps_working(provider: SimulatedProvider, kind: str):
    good, bad = (model_at(provider, "openai", name) for name in ("sim-tools1-good", "sim-tools1-bad"))
    fail(provider, "500/sim-tools1-bad")
    own: dict[str, Model] = {
        "fallback": FallbackModel(bad, good),
        "wrapper": WrapperModel(good),
        "responses": OpenAIResponsesModel(
            "sim-tools1-good", provider=OpenAIProvider(base_url=provider.openai_url, api_key="none")
        ),
    }
    service = service_at(provider, "openai", "unused", models=None)
    service = replace(service, agent=Agent(own[kind]))
    _, task = await run(service)
    if kind == "responses":
        assert task.status is TaskStatus.DEAD, "the simulated provider does not speak that wire"
        return
    assert task.status is TaskStatus.SUCCEEDED, task.reason
    assert task.usage.cost > 0


async def test_an_agent_that_watches_its_events_is_given_all_of_them_once(provider: SimulatedProvider):
    fail(provider, "cut@1")
    watched: list[str] = []

    async def watch(_: Any, stream: Any) -> None:
        async for event in stream:
            watched.append(event.event_kind)

    agent = Agent(model_at(provider, "openai", "sim-good"), capabilities=[ProcessEventStream(watch)])
    cluster, task = await run(AgentService(agent, prices=PRICES, limits=LIMITS))
    assert task.status is TaskStatus.SUCCEEDED
    assert watched.count("part_start") == 1, "what broke off is made good before the agent hears of it"
    assert "final_result" in watched
    live = [event.kind for record in await cluster.event_log.read(task.id, 0) for event in record.events]
    assert EventKind.RESTART in live
