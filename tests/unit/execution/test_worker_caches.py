"""Replies that are used again: whose, when, and what becomes of a task whatever the cache does."""

import asyncio
from collections import Counter
from collections.abc import Callable, Container, Sequence
from typing import Any

import pytest
from pydantic import BaseModel
from pydantic_ai import Agent, ModelRetry, ToolOutput
from pydantic_ai.capabilities import AbstractCapability
from pydantic_ai.messages import (
    ModelMessage,
    ModelRequest,
    ModelResponse,
    NativeToolCallPart,
    NativeToolReturnPart,
    TextPart,
    ThinkingPart,
    ToolCallPart,
    UserPromptPart,
)
from pydantic_ai.models import ModelRequestContext
from pydantic_ai.models.function import AgentInfo, FunctionModel

from roadworthy import AgentService, CachePolicy, ModelTiers, Price, ToolPolicy
from roadworthy.adapters.memory.broker import KeptValue, MemoryBroker
from roadworthy.adapters.memory.cache import MemoryCache
from roadworthy.core.model_gateway.cache_in_time import CacheInTime
from roadworthy.core.model_gateway.cache_place import CachePlace
from roadworthy.core.model_gateway.model_reply import ModelReply
from roadworthy.core.model_gateway.reply_caches import ReplyCaches
from roadworthy.domain.errors import BrokerUnavailable
from roadworthy.domain.event import EventKind
from roadworthy.domain.journal import EntryKind
from roadworthy.domain.principal import DEVELOPER, Principal
from roadworthy.domain.task import Task, TaskStatus
from roadworthy.frameworks.pydantic_ai.model_request import asking

from .cluster import Cluster, WallClock

EXACT, SHARED = CachePolicy(), CachePolicy(shared_by="tenant")
READ, ONCE = ToolPolicy(effect="read"), ToolPolicy(effect="once")
COLLEAGUE, STRANGER = Principal(DEVELOPER.tenant, "colleague"), Principal("other", DEVELOPER.user)
ANSWER = "It was sent on Monday and will be with you on Thursday, says the carrier. " * 5


class Asked(Counter[str]):
    """How often the model was asked what."""

    def __call__(self, messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        self[question_in(messages)] += 1
        return ModelResponse([TextPart(ANSWER)])


def question_in(messages: list[ModelMessage]) -> str:
    parts = [part for message in messages if isinstance(message, ModelRequest) for part in message.parts]
    return str([part.content for part in parts if isinstance(part, UserPromptPart)][-1])


class Cached(Cluster):
    """Its workers have an exact cache, over a broker of its own that can be away."""

    def __init__(self) -> None:
        super().__init__()
        self.is_away = False
        self.cache_broker = MemoryBroker(WallClock(), self)
        self.caches = ReplyCaches(CacheInTime(MemoryCache(self.cache_broker)))

    async def around(self, operation: str, apply: Callable[[], Any]) -> Any:
        await asyncio.sleep(0)
        if self.is_away:
            raise BrokerUnavailable
        return apply()

    async def run(self, service: AgentService, text: str = "Where is it?", **fields: Any) -> Task:
        """The task once it has ended and what it leaves is kept."""
        async with self.working(service):
            return await self.ended(await self.submit(service, text, **fields))

    def counted(self, outcome: str) -> int:
        return sum(count for (_, each), count in self.caches.counters.cache.items() if each == outcome)

    async def details(self, task: Task) -> list[dict[str, Any]]:
        entries = await self.journal.read(task.principal, task.id)
        return [entry.detail for entry in entries if entry.kind is EntryKind.MODEL]


@pytest.fixture
def asked() -> Asked:
    return Asked()


@pytest.fixture
async def cluster() -> Cached:
    return Cached()


def service_of(asked: Callable[..., ModelResponse], cache: CachePolicy | None = EXACT, **fields: Any) -> AgentService:
    return AgentService(Agent(FunctionModel(asked)), cache=cache, **fields)


async def test_the_same_question_is_answered_once(cluster: Cached, asked: Asked):
    service = service_of(asked)
    first, again = [await cluster.run(service) for _ in range(2)]
    assert asked == {"Where is it?": 1}
    assert first.output == again.output
    assert (first.usage.cached_calls, again.usage.cached_calls) == (0, 1)
    assert (again.usage.cost, again.usage.input_tokens, again.usage.model_calls) == (0, 0, 1)
    assert [detail.get("cache") for detail in await cluster.details(first)] == [None]
    assert [detail.get("cache") for detail in await cluster.details(again)] == ["exact"]


async def test_a_hit_says_what_it_saved(cluster: Cached):
    async def reply(ctx: Any, message: str) -> dict[str, Any]:
        async def call(stream: Any) -> dict[str, Any]:
            said = {"content": [{"type": "text", "text": "yes"}]}
            return {**said, "usage": {"input_tokens": 1_000_000, "output_tokens": 0}}

        return await ctx.model("gpt-4o-mini", call, request=[message])

    service = AgentService(reply, cache=EXACT, prices={"gpt-4o-mini": Price("0.15", "0.60")})
    first, again = [await cluster.run(service) for _ in range(2)]
    assert (first.usage.cost, first.usage.saved) == (150_000, 0)
    assert (again.usage.cost, again.usage.saved) == (0, 150_000)


async def test_another_question_is_asked(cluster: Cached, asked: Asked):
    service = service_of(asked)
    for question in ("Where is it?", "Where is it ?", "where is it?"):
        await cluster.run(service, question)
    assert len(asked) == 3


async def test_without_a_policy_nothing_is_kept_or_looked_up(cluster: Cached, asked: Asked):
    for _ in range(2):
        await cluster.run(service_of(asked, cache=None))
    assert asked == {"Where is it?": 2}
    assert not cluster.cache_broker.values


async def test_readers_see_a_stream_as_from_a_model(cluster: Cached, asked: Asked):
    service = service_of(asked)
    first, again = [await cluster.run(service) for _ in range(2)]
    told, told_again = [await cluster.events(task) for task in (first, again)]
    assert [(e.kind, e.number) for e in told] == [(e.kind, e.number) for e in told_again]
    live = [event for record in await cluster.event_log.read(again.id, 0) for event in record.events]
    pieces = [event.data["text"] for event in live if event.kind is EventKind.TEXT]
    assert "".join(pieces) == ANSWER
    assert len(pieces) > 1
    assert EventKind.RESTART not in [event.kind for event in live]


async def test_nobody_gets_what_another_user_asked(cluster: Cached, asked: Asked):
    service = service_of(asked)
    for principal in (DEVELOPER, COLLEAGUE, STRANGER):
        await cluster.run(service, principal=principal)
    assert asked == {"Where is it?": 3}


async def test_what_is_shared_by_the_tenant_is_for_all_of_its_users_and_for_nobody_else(cluster: Cached, asked: Asked):
    service = service_of(asked, SHARED)
    for principal in (DEVELOPER, COLLEAGUE):
        await cluster.run(service, principal=principal)
    assert asked == {"Where is it?": 1}
    await cluster.run(service, principal=STRANGER)
    assert asked == {"Where is it?": 2}


async def test_another_agent_version_model_instruction_setting_or_tool_is_another_request(
    cluster: Cached, asked: Asked
):
    def look() -> str:
        return "seen"

    model = FunctionModel(asked, model_name="model")
    services = [
        AgentService(Agent(model), cache=EXACT),
        AgentService(Agent(model), cache=EXACT, name="other"),
        AgentService(Agent(model), cache=EXACT, version="2"),
        AgentService(Agent(FunctionModel(asked, model_name="another")), cache=EXACT),
        AgentService(Agent(model, instructions="Be brief."), cache=EXACT),
        AgentService(Agent(model, model_settings={"temperature": 0}), cache=EXACT),
        AgentService(Agent(model, tools=[look]), cache=EXACT),
    ]
    for service in services:
        await cluster.run(service)
    assert asked == {"Where is it?": len(services)}
    for service in services:
        await cluster.run(service)
    assert asked == {"Where is it?": len(services)}


async def test_the_same_question_later_in_a_conversation_is_another_request(cluster: Cached, asked: Asked):
    service = service_of(asked)
    first = await cluster.run(service)
    await cluster.run(service, session_id=first.session_id, opens_session=False)
    assert asked == {"Where is it?": 2}


# Tools


def reading(asked: Counter[int], tool: str = "find_order") -> Callable[[list[ModelMessage], AgentInfo], ModelResponse]:
    """A model that asks for a tool and then answers."""

    def reply(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        steps = sum(isinstance(message, ModelResponse) for message in messages)
        asked[steps] += 1
        return ModelResponse([TextPart(ANSWER)] if steps else [ToolCallPart(tool, {"order": "17"})])

    return reply


def with_tool(asked: Counter[int], policy: ToolPolicy | None, ran: list[str], **fields: Any) -> AgentService:
    async def find_order(order: str) -> str:
        ran.append(order)
        return "sent"

    agent = Agent(FunctionModel(reading(asked)), tools=[find_order])
    return AgentService(agent, cache=EXACT, tools={"find_order": policy} if policy else {}, **fields)


async def test_a_kept_reply_may_ask_for_a_tool_that_reads_and_each_task_calls_it(cluster: Cached):
    asked, ran = Counter[int](), list[str]()
    service = with_tool(asked, READ, ran)
    tasks = [await cluster.run(service) for _ in range(2)]
    assert asked == {0: 1, 1: 1}
    assert ran == ["17", "17"]
    assert [task.usage.cached_calls for task in tasks] == [0, 2]
    assert [task.usage.tool_calls for task in tasks] == [1, 1]


@pytest.mark.parametrize("policy", [ONCE, ToolPolicy(effect="idempotent"), None])
async def test_no_reply_is_kept_that_asks_for_a_write_and_none_is_used_after_one(
    cluster: Cached, policy: ToolPolicy | None
):
    asked, ran = Counter[int](), list[str]()
    service = with_tool(asked, policy, ran)
    for _ in range(2):
        assert (await cluster.run(service)).status is TaskStatus.SUCCEEDED
    assert asked == {0: 2, 1: 2}
    assert ran == ["17", "17"]
    assert not cluster.cache_broker.values


async def test_after_a_write_not_even_the_same_request_is_answered_from_before(cluster: Cached):
    asked = Counter[str]()

    async def book() -> str:
        return "booked"

    async def reply(ctx: Any, message: str) -> str:
        async def call(stream: Any) -> str:
            asked[message] += 1
            return "hello"

        if message == "write":
            await ctx.tool(book)
        return await ctx.model("model", call, request=["the same"])

    service = AgentService(reply, cache=EXACT)
    for message in ("read", "read", "write"):
        await cluster.run(service, message)
    assert asked == {"read": 1, "write": 1}


async def test_an_answer_in_a_structure_is_no_call_of_a_tool(cluster: Cached):
    class State(BaseModel):
        state: str

    asked = Counter[str]()

    def reply(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        asked["times"] += 1
        return ModelResponse([ToolCallPart(info.output_tools[0].name, {"state": "sent"})])

    service = AgentService(Agent(FunctionModel(reply), output_type=State), cache=EXACT)
    outputs = [(await cluster.run(service)).output for _ in range(2)]
    assert outputs == [b'{"state":"sent"}'] * 2
    assert asked == {"times": 1}


@pytest.mark.parametrize(("tool", "times"), [("mcp_server:shop", 2), ("code_execution", 2), ("web_search", 1)])
async def test_what_a_provider_did_for_a_reply_is_done_for_each_task(cluster: Cached, tool: str, times: int):
    asked = Counter[str]()

    def reply(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        asked["times"] += 1
        call = NativeToolCallPart(tool_name=tool, args={"table": 7}, tool_call_id="b1", provider_name="openai")
        result = NativeToolReturnPart(tool_name=tool, content="done", tool_call_id="b1", provider_name="openai")
        return ModelResponse([call, result, TextPart("I have booked it.")])

    for _ in range(2):
        assert (await cluster.run(service_of(reply))).status is TaskStatus.SUCCEEDED
    assert asked == {"times": times}


@pytest.mark.parametrize(
    ("block", "times"),
    [
        ({"type": "mcp_tool_use", "name": "book"}, 2),
        ({"type": "server_tool_use", "name": "bash_code_execution"}, 2),
        ({"type": "server_tool_use", "name": "web_search"}, 1),
    ],
)
async def test_nor_is_it_taken_for_done_where_a_function_asked(cluster: Cached, block: dict[str, Any], times: int):
    asked = Counter[str]()

    async def reply(ctx: Any, message: str) -> str:
        async def call(stream: Any) -> dict[str, Any]:
            asked["times"] += 1
            return {"content": [block, {"type": "text", "text": "booked"}], "stop_reason": "end_turn"}

        await ctx.model("m", call, request=[message])
        return "booked"

    for _ in range(2):
        await cluster.run(AgentService(reply, cache=EXACT))
    assert asked == {"times": times}


async def test_after_a_providers_tool_that_wrote_no_cache_answers_in_a_second_attempt_either(cluster: Cached):
    asked, failures = Counter[str](), [ConnectionResetError("away")]

    async def reply(ctx: Any, message: str) -> str:
        async def book(stream: Any) -> dict[str, Any]:
            return {"content": [{"type": "mcp_tool_use", "name": "book"}], "stop_reason": "end_turn"}

        async def greet(stream: Any) -> str:
            asked[message] += 1
            return "hello"

        if message == "write":
            await ctx.model("m", book, request=["book"])
            if failures:
                raise failures.pop()
        return await ctx.model("m", greet, request=["greet"])

    service = AgentService(reply, cache=EXACT)
    await cluster.run(service, "read")
    async with cluster.working(service):
        task = await cluster.submit(service, "write")
        await cluster.until(task, lambda found: found.failures == 1)
        await cluster.released(task)
        assert (await cluster.ended(task)).status is TaskStatus.SUCCEEDED
    assert asked == {"read": 1, "write": 1}


class Watches(AbstractCapability[Any]):
    """Which output tools a run's requests may be answered by without anything being done."""

    def __init__(self) -> None:
        self.answer_tools: list[str] = []

    async def before_model_request(self, ctx: Any, request_context: ModelRequestContext) -> ModelRequestContext:
        self.answer_tools += asking(ctx, request_context).answer_tools
        return request_context


class Order(BaseModel):
    number: int


def outputs(booked: list[int], asked: Counter[str]) -> tuple[Watches, Agent[Any, Any]]:
    async def book(table: int) -> str:
        booked.append(table)
        return f"booked {table}"

    def reply(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        asked["times"] += 1
        return ModelResponse([ToolCallPart("book", {"table": 7})])

    watches = Watches()
    output_type = [ToolOutput(book, name="book"), ToolOutput(Order, name="order")]
    return watches, Agent(FunctionModel(reply), output_type=output_type, capabilities=[watches])


@pytest.mark.parametrize(("policy", "times"), [(None, 2), (ONCE, 2), (READ, 1)])
async def test_an_answer_that_a_function_makes_something_of_is_a_call_of_that_function(
    cluster: Cached, policy: ToolPolicy | None, times: int
):
    booked, asked = list[int](), Counter[str]()
    watches, agent = outputs(booked, asked)
    service = AgentService(agent, cache=EXACT, tools={"book": policy} if policy else {})
    answers = [(await cluster.run(service)).output for _ in range(2)]
    assert (answers, booked) == ([b'"booked 7"'] * 2, [7, 7])
    assert asked == {"times": times}
    assert set(watches.answer_tools) == {"order"}


class Meaning:
    """A semantic cache that finds nothing."""

    def __init__(self) -> None:
        self.kept: list[str] = []

    async def look(self, place: CachePlace, question: str) -> None:
        return None

    async def keep(self, place: CachePlace, question: str, reply: ModelReply) -> None:
        self.kept.append(reply.text)


async def test_no_call_of_a_tool_is_kept_for_questions_that_mean_the_same(asked: Asked):
    cluster, meaning = Cached(), Meaning()
    cluster.caches = ReplyCaches(semantic={"offline": meaning})
    in_order = Agent(
        FunctionModel(lambda _, info: ModelResponse([ToolCallPart(info.output_tools[0].name, {"number": 17})])),
        output_type=Order,
    )
    for agent in (in_order, Agent(FunctionModel(asked))):
        await cluster.run(AgentService(agent, cache=CachePolicy(semantic=True)))
    assert meaning.kept == [ANSWER]


# What is not kept


@pytest.mark.parametrize("reason", ["length", "content_filter", "error"])
async def test_an_answer_that_was_cut_off_is_not_kept(cluster: Cached, reason: Any):
    def reply(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        return ModelResponse([TextPart("It was sent on")], finish_reason=reason)

    await cluster.run(service_of(reply))
    assert not cluster.cache_broker.values


@pytest.mark.parametrize("parts", [[TextPart("")], [TextPart(" \n")], [ThinkingPart("hm")], []])
async def test_an_answer_that_says_nothing_is_not_kept(cluster: Cached, parts: list[Any]):
    await cluster.run(AgentService(Agent(FunctionModel(lambda *_: ModelResponse(parts))), cache=EXACT))
    assert not cluster.cache_broker.values


@pytest.mark.parametrize(
    "empty", ["", {"content": []}, {"choices": [{"message": {"content": " "}, "finish_reason": "stop"}]}]
)
async def test_nor_is_one_that_a_functions_model_leaves_empty(cluster: Cached, empty: Any):
    async def reply(ctx: Any, message: str) -> str:
        async def call(stream: Any) -> Any:
            return empty

        await ctx.model("m", call, request=[message])
        return "nothing was said"

    assert (await cluster.run(AgentService(reply, cache=EXACT))).status is TaskStatus.SUCCEEDED
    assert not cluster.cache_broker.values


def picky(says: Sequence[str], rejects: Container[str], asked: list[str], **agent: Any) -> AgentService:
    """Its model says these things in turn; some of them it has made again."""

    def reply(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        asked.append(says[min(len(asked), len(says) - 1)])
        return ModelResponse([TextPart(asked[-1])])

    made = Agent(FunctionModel(reply), **agent)

    @made.output_validator
    def check(output: str) -> str:
        if output in rejects:
            raise ModelRetry("no")
        return output

    return AgentService(made, cache=EXACT)


async def test_a_reply_that_its_agent_rejects_is_not_kept(cluster: Cached):
    asked: list[str] = []
    service = picky(["nonsense", "nonsense", "good"], ["nonsense"], asked, retries=1)
    tasks = [await cluster.run(service) for _ in range(3)]
    assert [task.status for task in tasks] == [TaskStatus.DEAD, TaskStatus.SUCCEEDED, TaskStatus.SUCCEEDED]
    assert [task.output for task in tasks[1:]] == [b'"good"'] * 2
    assert asked == ["nonsense", "nonsense", "good"]
    assert tasks[2].usage.cached_calls == 1


async def test_nor_is_a_call_of_a_tool_that_must_be_made_again(cluster: Cached):
    asked = Counter[int]()

    async def find_order(order: int) -> str:
        return "sent"

    agent = Agent(FunctionModel(reading(asked)), tools=[find_order], retries=1)
    service = AgentService(agent, cache=EXACT, tools={"find_order": READ})

    def reply(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        steps = sum(isinstance(message, ModelResponse) for message in messages)
        asked[steps] += 1
        order = ["seventeen", 17][min(steps, 1)]
        return ModelResponse([TextPart(ANSWER)] if steps > 1 else [ToolCallPart("find_order", {"order": order})])

    agent.model = FunctionModel(reply)
    for _ in range(2):
        assert (await cluster.run(service)).status is TaskStatus.SUCCEEDED
    assert asked == {0: 2, 1: 2, 2: 1}, "only what came after the call that went well is used again"


async def test_who_rejects_what_a_cache_gave_asks_the_model_anew_and_so_do_all_after_it(cluster: Cached):
    asked: list[str] = []
    rejects: set[str] = set()
    service = picky(["old", "new"], rejects, asked, retries=1)
    assert (await cluster.run(service)).output == b'"old"'
    rejects.add("old")
    assert (await cluster.run(service)).output == b'"new"'
    assert asked == ["old", "new"]
    later = [await cluster.run(service) for _ in range(2)]
    assert [task.output for task in later] == [b'"new"'] * 2
    assert asked == ["old", "new", "new"]
    assert [task.usage.cached_calls for task in later] == [0, 1]


async def test_what_a_cache_gave_and_nobody_could_use_fails_one_task_only(cluster: Cached):
    asked: list[str] = []
    rejects: set[str] = set()
    service = picky(["old", "new"], rejects, asked, retries=0)
    await cluster.run(service)
    rejects.add("old")
    statuses = [(await cluster.run(service)).status for _ in range(2)]
    assert statuses == [TaskStatus.DEAD, TaskStatus.SUCCEEDED]
    assert asked == ["old", "new"]


async def test_an_answer_of_another_model_than_the_first_is_not_kept(cluster: Cached):
    asked, away = Counter[str](), {"first"}

    async def reply(ctx: Any, message: str) -> str:
        async def call(stream: Any, provider_call: Any) -> str:
            asked[provider_call.model] += 1
            if provider_call.model in away:
                raise ConnectionRefusedError
            return f"by {provider_call.model}"

        return await ctx.model("model", call, request=[message])

    service = AgentService(reply, cache=EXACT, models=ModelTiers(moderate=["first", "second"]))
    assert (await cluster.run(service)).output == b'"by second"'
    assert not cluster.cache_broker.values
    away.clear()
    for _ in range(2):
        assert (await cluster.run(service)).output == b'"by first"'
    assert asked["second"] == 1


async def test_a_function_that_does_not_say_what_it_sends_has_no_cache(cluster: Cached):
    asked = Counter[str]()

    async def reply(ctx: Any, message: str) -> str:
        async def call(stream: Any) -> str:
            asked["times"] += 1
            return "hello"

        return await ctx.model("model", call)

    for _ in range(2):
        await cluster.run(AgentService(reply, cache=EXACT))
    assert asked == {"times": 2}
    assert not cluster.cache_broker.values


async def test_a_task_that_was_started_over_gets_a_new_answer_which_is_kept(cluster: Cached, asked: Asked):
    service = service_of(asked)
    await cluster.run(service)
    async with cluster.working(service):
        task = await cluster.submit(service, "Where is it?", ticket=False)
        cluster.database.tasks[task.id].generation = 1
        await cluster.ended(task)
    assert asked == {"Where is it?": 2}
    await cluster.run(service)
    assert asked == {"Where is it?": 2}
    assert cluster.counted("kept") == 2


# What goes wrong


async def test_a_cache_that_is_away_fails_no_task(cluster: Cached, asked: Asked):
    service = service_of(asked)
    cluster.is_away = True
    for _ in range(2):
        assert (await cluster.run(service)).status is TaskStatus.SUCCEEDED
    assert asked == {"Where is it?": 2}
    assert cluster.counted("passed_over") == 2


async def test_foreign_bytes_are_a_miss(cluster: Cached, asked: Asked):
    service = service_of(asked)
    await cluster.run(service)
    values = cluster.cache_broker.values
    for key, kept in values.items():
        values[key] = KeptValue(b"\x01 something else", kept.stamp, kept.until)
    assert (await cluster.run(service)).status is TaskStatus.SUCCEEDED
    assert asked == {"Where is it?": 2}
    assert cluster.counted("unreadable") == 1
    await cluster.run(service)
    assert asked == {"Where is it?": 2}


async def test_a_hit_is_replayed_like_a_reply(cluster: Cached):
    asked, failures = Counter[int](), [ConnectionResetError("the shop is away")]

    async def find_order(order: str) -> str:
        if failures and asked[1]:
            raise failures.pop()
        return "sent"

    agent = Agent(FunctionModel(reading(asked)), tools=[find_order])
    service = AgentService(agent, cache=EXACT, tools={"find_order": READ})
    await cluster.run(service)
    looked = cluster.counted("hit") + cluster.counted("miss")
    async with cluster.working(service):
        task = await cluster.submit(service, "Where is it?")
        await cluster.until(task, lambda found: found.failures == 1)
        await cluster.released(task)
        task = await cluster.ended(task)
    assert (task.status, task.attempt) == (TaskStatus.SUCCEEDED, 2)
    assert asked == {0: 1, 1: 1}
    # One look for each of the two calls: the second attempt took the first one from the journal.
    assert cluster.counted("hit") + cluster.counted("miss") - looked == 2
    assert task.usage.cached_calls == 2


async def test_a_dropped_mark_has_everything_asked_again(cluster: Cached, asked: Asked):
    service = service_of(asked)
    cache = MemoryCache(cluster.cache_broker)
    for mark in ("all", "agent:agent", "version:agent@1", "tenant:dev", "version:agent@1 tenant:dev"):
        before = asked.total()
        await cluster.run(service)
        await cluster.run(service)
        assert asked.total() == before + 1, mark
        await cache.drop(mark)
    await cluster.run(service)
    await cache.drop("agent:other")
    await cache.drop("tenant:other")
    await cluster.run(service)
    assert asked.total() == 6
