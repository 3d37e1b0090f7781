"""Vectors from a provider: here one on loopback that speaks as much of OpenAI's wire as embedding needs."""

import asyncio
from collections.abc import AsyncIterator
from decimal import Decimal

import pytest
from aiohttp import web
from pydantic_ai.embeddings import TestEmbeddingModel
from pydantic_ai.embeddings.openai import OpenAIEmbeddingModel
from pydantic_ai.providers.openai import OpenAIProvider

from roadworthy.domain.errors import EmbeddingFailed, TargetNotLoadable
from roadworthy.frameworks.pydantic_ai import embedder
from roadworthy.frameworks.pydantic_ai.embedder import PydanticAIEmbedder


class Provider:
    """Answers with vectors of length 5, or as it is told."""

    def __init__(self) -> None:
        self.asked: list[list[str]] = []
        self.status = 200
        self.vector = [3.0, 4.0]
        self.goes_on = asyncio.Event()
        self.goes_on.set()
        self.url = ""

    async def embeddings(self, request: web.Request) -> web.Response:
        texts = (await request.json())["input"]
        self.asked.append(texts)
        await self.goes_on.wait()
        if self.status != 200:
            return web.json_response({"error": {"message": "no", "type": "t", "code": "c"}}, status=self.status)
        data = [{"object": "embedding", "index": place, "embedding": self.vector} for place in range(len(texts))]
        usage = {"prompt_tokens": 1_000_000, "total_tokens": 1_000_000}
        return web.json_response({"object": "list", "data": data, "model": "text-embedding-3-small", "usage": usage})

    def model(self) -> OpenAIEmbeddingModel:
        provider = OpenAIProvider(base_url=self.url, api_key="none")
        provider.client.max_retries = 0
        return OpenAIEmbeddingModel("text-embedding-3-small", provider=provider)


@pytest.fixture
async def provider() -> AsyncIterator[Provider]:
    provider = Provider()
    app = web.Application()
    app.router.add_post("/v1/embeddings", provider.embeddings)
    runner = web.AppRunner(app, shutdown_timeout=0)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    provider.url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
    yield provider
    provider.goes_on.set()
    await runner.cleanup()


async def test_vectors_are_of_length_one_and_what_they_cost_is_told(provider: Provider):
    told: list[tuple[int, Decimal]] = []
    from_provider = PydanticAIEmbedder(provider.model(), lambda tokens, dollars: told.append((tokens, dollars)))
    assert await from_provider.embed(["a", "b"]) == [[0.6, 0.8]] * 2
    assert provider.asked == [["a", "b"]]
    assert from_provider.name == "openai:text-embedding-3-small"
    assert told == [(1_000_000, Decimal("0.02"))]


@pytest.mark.parametrize(("status", "of_a_text"), [(400, True), (413, True), (401, False), (429, False), (500, False)])
async def test_what_a_provider_refuses_may_be_one_of_the_texts(provider: Provider, status: int, of_a_text: bool):
    provider.status = status
    with pytest.raises(EmbeddingFailed, match="openai:text-embedding-3-small") as failed:
        await PydanticAIEmbedder(provider.model()).embed(["a"])
    assert failed.value.of_a_text is of_a_text


async def test_a_provider_that_hangs_is_given_up(provider: Provider, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(embedder, "CALL_SECONDS", 0.05)
    provider.goes_on.clear()
    with pytest.raises(EmbeddingFailed, match="did not answer within"):
        await PydanticAIEmbedder(provider.model()).embed(["a"])


async def test_nobody_listens_there(provider: Provider):
    model = provider.model()
    model._provider.client.base_url = "http://127.0.0.1:9/v1"
    with pytest.raises(EmbeddingFailed) as failed:
        await PydanticAIEmbedder(model).embed(["a"])
    assert not failed.value.of_a_text


async def test_a_vector_that_points_nowhere_is_none(provider: Provider):
    provider.vector = [0.0, 0.0]
    with pytest.raises(EmbeddingFailed, match="points nowhere"):
        await PydanticAIEmbedder(provider.model()).embed(["a"])


async def test_a_model_that_nobody_has_a_price_for_costs_nothing_that_is_known():
    told: list[tuple[int, Decimal]] = []
    await PydanticAIEmbedder(TestEmbeddingModel(), lambda *use: told.append(use)).embed(["a text"])
    assert [dollars for _, dollars in told] == [0]


@pytest.mark.parametrize("name", ["offlin", "nobody:model", "openai:text-embedding-3-small"])
def test_a_name_that_can_not_be_used_is_refused(name: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(TargetNotLoadable, match=name):
        PydanticAIEmbedder(name)
