"""The gateway as an agent of pydantic-ai meets it: in the place of its model, unseen by its hooks and its events."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from typing import Any

import orjson
import pytest
from pydantic_ai import Agent
from pydantic_ai.capabilities import AbstractCapability
from pydantic_ai.exceptions import ModelHTTPError
from pydantic_ai.messages import ModelMessage, ModelRequest, ModelResponse, TextPart, ToolCallPart, UserPromptPart
from pydantic_ai.models import Model, ModelRequestContext
from pydantic_ai.models.function import AgentInfo, FunctionModel
from pydantic_ai.models.test import TestModel
from pydantic_ai.models.wrapper import WrapperModel
from pydantic_ai.usage import RequestUsage

from roadworthy import AgentService, Limits, ModelTiers, Price, ToolPolicy
from roadworthy.domain.principal import DEVELOPER
from roadworthy.domain.task import Task, TaskStatus
from unit.execution.cluster import Cluster

TOO_LONG = ModelHTTPError(400, "m", {"error": {"message": "maximum context length is 4096 tokens"}})


class Said:
    """A model that says these things in turn, and what it was asked."""

    def __init__(self, *says: str | Exception | ModelResponse) -> None:
        self._says = says
        self.asked: list[tuple[list[ModelMessage], AgentInfo]] = []
        self.model = FunctionModel(self._reply, model_name="m")

    def _reply(self, messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        self.asked.append((messages, info))
        says = self._says[min(len(self.asked), len(self._says)) - 1]
        if isinstance(says, Exception):
            raise says
        return says if isinstance(says, ModelResponse) else ModelResponse([TextPart(says)])


async def run(service: AgentService, **settings: Any) -> tuple[Cluster, Task]:
    cluster = Cluster()
    async with cluster.working(service, **settings):
        return cluster, await cluster.ended(await cluster.submit(service))


def output(task: Task) -> Any:
    return orjson.loads(task.output or b"null")


async def detail(cluster: Cluster, task: Task) -> dict[str, Any]:
    return next(e.detail for e in await cluster.journal.read(DEVELOPER, task.id) if e.name == "m1")


class TestHooks:
    async def test_an_agents_error_hook_is_given_the_errors_of_its_framework(self):
        seen: list[Exception] = []

        class Watches(AbstractCapability[Any]):
            async def on_model_request_error(self, ctx: Any, *, request_context: Any, error: Exception) -> Any:
                seen.append(error)
                raise error

        said = Said(ModelHTTPError(401, "m", {"message": "no"}))
        _, task = await run(AgentService(Agent(said.model, capabilities=[Watches()])))
        assert [type(error) for error in seen] == [ModelHTTPError]
        assert task.status is TaskStatus.DEAD
        assert orjson.loads(task.error or b"{}")["code"] == "authentication_failed"

    async def test_one_that_makes_an_answer_of_its_own_saves_the_task(self):
        class Recovers(AbstractCapability[Any]):
            async def on_model_request_error(self, ctx: Any, *, request_context: Any, error: Exception) -> Any:
                return ModelResponse([TextPart("made up")], model_name="nobody")

        _, task = await run(AgentService(Agent(Said(TOO_LONG).model, capabilities=[Recovers()])))
        assert (task.status, output(task)) == (TaskStatus.SUCCEEDED, "made up")

    async def test_what_a_hook_makes_of_a_request_and_of_its_reply_is_what_counts(self):
        class Changes(AbstractCapability[Any]):
            async def before_model_request(self, ctx: Any, request_context: ModelRequestContext) -> ModelRequestContext:
                return replace(request_context, messages=[ModelRequest([UserPromptPart("changed")])])

            async def after_model_request(self, ctx: Any, *, request_context: Any, response: ModelResponse) -> Any:
                return replace(response, parts=[TextPart("changed, too")])

        said = Said("as it was")
        cluster, task = await run(AgentService(Agent(said.model, capabilities=[Changes()])))
        assert said.asked[0][0][0].parts[0].content == "changed"  # type: ignore[union-attr]
        assert output(task) == "changed, too"
        (entry,) = [e for e in await cluster.journal.read(DEVELOPER, task.id) if e.name == "m1"]
        assert b"changed, too" in entry.payload

    async def test_a_capability_that_answers_in_the_models_place_costs_nothing(self):
        class Answers(AbstractCapability[Any]):
            async def wrap_model_request(self, ctx: Any, *, request_context: Any, handler: Any) -> ModelResponse:
                return ModelResponse([TextPart("from memory")], model_name="memory")

        said = Said("never")
        cluster, task = await run(AgentService(Agent(said.model, capabilities=[Answers()])))
        assert (output(task), said.asked, task.usage.cost) == ("from memory", [], 0)
        assert (await detail(cluster, task))["pieces"] == [["text", "from memory"]]


class TestItsOwnModel:
    @pytest.mark.parametrize(
        "model", [TestModel(custom_output_text="yes"), WrapperModel(Said("yes").model), Said("yes").model]
    )
    async def test_models_that_run_in_this_process_cost_nothing_and_need_no_price(self, model: Model):
        _, task = await run(AgentService(Agent(model)))
        assert (task.status, output(task), task.usage.cost) == (TaskStatus.SUCCEEDED, "yes", 0)

    async def test_one_that_streams_is_shown_as_it_comes(self):
        async def stream(messages: list[ModelMessage], info: AgentInfo) -> AsyncIterator[str]:
            for piece in ("It ", "is ", "42."):
                yield piece
                await asyncio.sleep(0)

        cluster, task = await run(AgentService(Agent(FunctionModel(stream_function=stream))))
        assert output(task) == "It is 42."
        assert (await detail(cluster, task))["pieces"] == [["text", "It is 42."]]

    async def test_one_that_can_not_stream_is_not_hurried_for_its_first_token(self):
        async def slow(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
            await asyncio.sleep(0.3)
            return ModelResponse([TextPart("late")])

        service = AgentService(Agent(FunctionModel(slow)), limits=Limits(step_seconds=10, first_token_seconds=0.1))
        _, task = await run(service)
        assert (task.attempt, output(task)) == (1, "late")

    @pytest.mark.parametrize(("service", "blamed"), [(20, False), (0.05, True)])
    async def test_one_that_has_less_time_for_its_first_token_than_its_service_gives_is_not_blamed(
        self, service: float, blamed: bool
    ):
        async def silent(messages: list[ModelMessage], info: AgentInfo) -> AsyncIterator[str]:
            await asyncio.Event().wait()
            yield ""

        limits = Limits(first_token_seconds=service)
        served, cluster = AgentService(Agent(FunctionModel(stream_function=silent)), limits=limits), Cluster()
        async with cluster.working(served) as worker:
            task = await cluster.submit(served, limits=replace(limits, first_token_seconds=0.05))
            await cluster.until(task, lambda found: found.failures == 1)
            assert bool(worker.gateway.breakers.open) == blamed

    async def test_one_whose_stream_turns_out_to_be_none_is_asked_for_the_whole(self):
        class OnlyWhole(TestModel):
            def request_stream(self, *_: Any, **__: Any) -> Any:
                raise NotImplementedError

            async def request(self, *arguments: Any) -> ModelResponse:
                await asyncio.sleep(0.3)
                return await super().request(*arguments)

        agent = Agent(OnlyWhole(custom_output_text="whole"))
        _, task = await run(AgentService(agent, limits=Limits(step_seconds=10, first_token_seconds=0.1)))
        assert (task.attempt, output(task)) == (1, "whole")

    async def test_an_answer_that_the_provider_interrupts_goes_on_with_the_same_model(self):
        half = ModelResponse([TextPart("first half,")], state="suspended", usage=RequestUsage(output_tokens=5))
        said = Said(half, ModelResponse([TextPart(" second half")], usage=RequestUsage(output_tokens=7)))
        cluster, task = await run(AgentService(Agent(said.model)))
        assert output(task) == "first half, second half"
        assert len(said.asked) == 2 and task.usage.model_calls == 1
        assert (await detail(cluster, task))["usage"]["output_tokens"] == 12


class TestTiers:
    TIERS = ModelTiers(moderate=["test"])

    async def test_the_models_of_the_tier_answer_and_not_the_agents_own(self):
        said = Said("own")
        service = AgentService(Agent(said.model), models=self.TIERS, router=lambda _: "moderate")
        cluster, task = await run(service)
        assert task.status is TaskStatus.SUCCEEDED and said.asked == []
        assert (await detail(cluster, task))["tier"] == "moderate"

    async def test_an_agent_without_a_model_of_its_own_can_be_served(self):
        _, task = await run(AgentService(Agent(), models=self.TIERS))
        assert task.status is TaskStatus.SUCCEEDED

    @pytest.mark.parametrize(("says", "answer"), [("chosen", "chosen"), (ModelHTTPError(401, "m"), "success")])
    async def test_a_model_that_the_run_has_chosen_is_asked_first(self, says: Any, answer: str):
        said = Said(says)
        agent = Agent(TestModel())
        with agent.override(model=said.model):
            _, task = await run(AgentService(agent, models=self.TIERS))
        assert len(said.asked) == 1
        assert answer in output(task)


class TestSimplified:
    async def test_the_last_resort_has_neither_history_nor_tools(self):
        call = ModelResponse([ToolCallPart("look", {})])
        said = Said(call, TOO_LONG, "short")
        agent = Agent(said.model, instructions="Be short.")

        @agent.tool_plain
        def look() -> str:
            return "It is in Rome."

        _, task = await run(AgentService(agent, tools={"look": ToolPolicy(effect="read")}))
        assert output(task) == "short"
        messages, info = said.asked[-1]
        assert len(messages) == 1 and info.function_tools == []
        assert info.instructions == "Be short."
        assert "- look: It is in Rome." in str(messages[0].parts[-1].content)  # type: ignore[union-attr]

    async def test_a_service_may_have_its_own_rule(self):
        def newest(messages: Sequence[Any]) -> Sequence[Any]:
            return [ModelRequest([UserPromptPart("by the service's rule")])]

        said = Said(TOO_LONG, "short")
        _, task = await run(AgentService(Agent(said.model), simplify=newest))
        assert output(task) == "short"
        assert said.asked[-1][0][0].parts[0].content == "by the service's rule"  # type: ignore[union-attr]


async def test_of_a_model_with_a_price_the_cost_is_kept_with_the_reply():
    reply = ModelResponse([TextPart("yes")], usage=RequestUsage(input_tokens=1000, output_tokens=100))
    said = Said(reply)
    agent = Agent(Priced(said.model))
    service = AgentService(agent, prices={"house": Price("1", "10")})
    cluster, task = await run(service)
    assert task.usage.cost == 1000 + 1000
    assert (await detail(cluster, task))["cost"] == 2000


class Priced(WrapperModel):
    """Of a provider, as far as anybody can see."""

    @property
    def model_name(self) -> str:
        return "house"

    async def request(self, *arguments: Any) -> ModelResponse:
        return replace(await super().request(*arguments), model_name="house")
