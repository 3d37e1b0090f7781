"""A worker whose services have a semantic cache: what tasks, their readers and their journals see of it."""

import asyncio
from collections import Counter
from typing import Any

import pytest
from execution.cluster import Cluster
from pydantic_ai import Agent
from pydantic_ai.messages import ModelMessage, ModelResponse, TextPart, UserPromptPart
from pydantic_ai.models.function import AgentInfo, FunctionModel

from roadworthy import AgentService, CachePolicy
from roadworthy.adapters.memory.similar_replies import MemorySimilarReplies
from roadworthy.core.model_gateway import reply_caches
from roadworthy.core.model_gateway.embeddings import Embeddings
from roadworthy.core.model_gateway.reply_caches import ReplyCaches
from roadworthy.core.model_gateway.semantic_cache import SemanticCache
from roadworthy.domain.errors import EmbeddingFailed, StoreUnavailable
from roadworthy.domain.journal import EntryKind
from roadworthy.domain.principal import DEVELOPER, Principal
from roadworthy.domain.task import Task

from .standing_in import Directions, same_text, wordings

POLICY = CachePolicy(exact=False, semantic=True, error_budget=0.2)
WORDINGS = wordings(40)
QUESTION, IN_OTHER_WORDS = "How do I block my card?", "Can you tell me how I can block my card?"


class Cached(Cluster):
    """Its workers have a semantic cache that may be away."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = Counter[str]()
        self.similar = MemorySimilarReplies(self.database)
        self.semantic = SemanticCache(
            self.similar, Embeddings(Directions(dict.fromkeys(WORDINGS, 90))), same_text, draw=lambda: 1.0
        )
        self.caches = ReplyCaches(semantic={"offline": self.semantic})
        self.service = AgentService(Agent(FunctionModel(self._reply)), cache=POLICY)

    def _reply(self, messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        (asked,) = (part for part in messages[-1].parts if isinstance(part, UserPromptPart))
        self.asked[str(asked.content)] += 1
        return ModelResponse([TextPart("In the app, under cards.")])

    async def run(self, question: str, **fields: Any) -> Task:
        async with self.working(self.service):
            task = await self.ended(await self.submit(self.service, question, **fields))
        await self.caches.close()
        return task

    async def learnt(self) -> None:
        for wording in WORDINGS:
            await self.run(wording)

    async def detail(self, task: Task) -> dict[str, Any]:
        entries = await self.journal.read(task.principal, task.id)
        return next(entry.detail for entry in entries if entry.kind is EntryKind.MODEL)


@pytest.fixture
async def cluster() -> Cached:
    return Cached()


async def test_a_task_is_answered_with_the_reply_to_a_question_that_means_the_same(cluster: Cached):
    await cluster.learnt()
    first, again = await cluster.run(QUESTION), await cluster.run(IN_OTHER_WORDS)
    assert cluster.asked[IN_OTHER_WORDS] == 0
    assert first.output == again.output == b'"In the app, under cards."'
    assert (again.usage.cached_calls, again.usage.cost, again.usage.input_tokens) == (1, 0, 0)
    detail = await cluster.detail(again)
    assert (detail["cache"], detail["similar"]["question"]) == ("semantic", QUESTION)


async def test_another_user_is_not_answered_so(cluster: Cached):
    await cluster.learnt()
    await cluster.run(QUESTION)
    await cluster.run(IN_OTHER_WORDS, principal=Principal(DEVELOPER.tenant, "colleague"))
    assert cluster.asked[IN_OTHER_WORDS] == 1


async def test_while_its_store_is_away_the_model_is_asked(cluster: Cached, monkeypatch: pytest.MonkeyPatch):
    await cluster.learnt()
    await cluster.run(QUESTION)

    async def away(*_: object) -> None:
        raise StoreUnavailable

    for method in ("nearest", "replies", "keep", "used", "learn"):
        monkeypatch.setattr(cluster.similar, method, away)
    task = await cluster.run(IN_OTHER_WORDS)
    assert task.output == b'"In the app, under cards."'
    assert cluster.asked[IN_OTHER_WORDS] == 1
    assert cluster.caches.counters.cache["semantic", "passed_over"] == 1


async def test_the_embedder_is_warm_before_the_first_task(cluster: Cached):
    class Cold:
        warm = asyncio.Event()
        asked = asyncio.Event()

        async def warm_up(self) -> None:
            self.asked.set()
            await self.warm.wait()

    cold = Cold()
    cluster.caches = ReplyCaches(semantic={"offline": cluster.semantic}, cold=[cold])
    async with cluster.working(cluster.service) as worker:
        task = await cluster.submit(cluster.service, QUESTION)
        await cold.asked.wait()
        for _ in range(100):
            await asyncio.sleep(0)
        assert (worker.running, cluster.asked) == (0, Counter())
        cold.warm.set()
        await cluster.ended(task)
    assert cluster.asked[QUESTION] == 1


async def test_what_can_not_be_warmed_up_holds_no_worker_up(cluster: Cached, monkeypatch: pytest.MonkeyPatch):
    class Broken:
        async def warm_up(self) -> None:
            raise EmbeddingFailed("the offline model can't be loaded")

    class Hanging:
        async def warm_up(self) -> None:
            await asyncio.Event().wait()

    monkeypatch.setattr(reply_caches, "WARM_UP_SECONDS", 0.01)
    cluster.caches = ReplyCaches(semantic={"offline": cluster.semantic}, cold=[Broken(), Hanging()])
    assert (await cluster.run(QUESTION)).output == b'"In the app, under cards."'
