"""A real server with the offline embedder answers a question that means the same, once it has learnt to."""

from __future__ import annotations

import random
from collections.abc import Iterable
from itertools import product, repeat
from pathlib import Path
from typing import Any

import pytest

from .deployment import Deployment
from .http_api import Api

ANSWER = "You block it in the app, under cards."
QUESTION = "How do I block my card number 17?"


async def ask(api: Api, question: str) -> dict[str, Any]:
    answer = await api.post("/v1/tasks", {"agent": "faq", "input": question}, headers={"prefer": "wait=60"})
    assert answer.status == 200, answer
    assert answer.body["output"] == ANSWER
    return {**answer.body, "cache": answer.headers.get("x-roadworthy-cache")}


def wordings() -> list[str]:
    """Of one question, each once."""
    beginnings = ["Please tell me", "Tell me", "Can you say", "Could you explain", "Do you know", "I want to know"]
    asking = ["how I can block", "how to block", "how I could block", "what I do to block", "where I can block"]
    ends = ["my card number 17", "the card number 17", "my bank card, number 17", "card number 17"]
    texts = [" ".join(parts) for parts in product(beginnings, asking, ends)]
    random.Random(1).shuffle(texts)
    return texts


async def until_answered(api: Api, questions: Iterable[str]) -> tuple[str, dict[str, Any]]:
    for question in questions:
        task = await ask(api, question)
        if task["cache"] == "semantic":
            return question, task
    raise AssertionError("the cache never answered")


async def test_a_question_that_means_the_same_is_answered_without_the_model(bare_deployment: Deployment) -> None:
    pytest.importorskip("onnxruntime", reason="the extra `embeddings` is not installed")
    await bare_deployment.servers.flush_broker()
    bare_deployment.targets = [f"{Path(__file__).with_name('meaning_services.py')}:service"]
    bare_deployment.provider.control(script=[ANSWER])
    _, api = await bare_deployment.start_api(command="serve")

    assert (await ask(api, QUESTION))["cache"] == "miss"
    # In the same words at once, or when it is kept, which nobody waits for.
    await until_answered(api, repeat(QUESTION, 20))
    in_other_words, task = await until_answered(api, wordings())
    assert (task["usage"]["cached_calls"], task["usage"]["cost_usd"]) == (1, "0")
    assert float(task["usage"]["saved_usd"]) > 0
    for number in (16, 18, 19):
        assert (await ask(api, QUESTION.replace("17", str(number))))["cache"] == "miss"

    clear = await bare_deployment.start("cache", "clear", "--agent", "faq", "--url", api.url)
    assert await clear.ended() == 0, clear.present_state()
    assert (await ask(api, in_other_words))["cache"] == "miss"
