"""A real server with the offline embedder answers a question that means the same, once it has learnt to."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from .deployment import Deployment
from .http_api import Api

ANSWER = "You block it in the app, under cards."
QUESTION, IN_OTHER_WORDS = "How do I block my card number 17?", "Please tell me how I can block my card number 17."
MOST_ASKED = 150
"""One in ten is asked although a reply is kept, and what was just asked may not be kept yet."""


async def ask(api: Api, question: str) -> dict[str, Any]:
    answer = await api.post("/v1/tasks", {"agent": "faq", "input": question}, headers={"prefer": "wait=60"})
    assert answer.status == 200, answer
    assert answer.body["output"] == ANSWER
    return {**answer.body, "cache": answer.headers.get("x-roadworthy-cache")}


async def until_answered(api: Api, question: str) -> dict[str, Any]:
    for _ in range(MOST_ASKED):
        task = await ask(api, question)
        if task["cache"] == "semantic":
            return task
    raise AssertionError(f"the cache never answered {question!r}")


async def test_a_question_that_means_the_same_is_answered_without_the_model(bare_deployment: Deployment) -> None:
    pytest.importorskip("onnxruntime", reason="the extra `embeddings` is not installed")
    await bare_deployment.servers.flush_broker()
    bare_deployment.targets = [f"{Path(__file__).with_name('meaning_services.py')}:service"]
    bare_deployment.provider.control(script=[ANSWER])
    _, api = await bare_deployment.start_api(command="serve")

    assert (await ask(api, QUESTION))["cache"] == "miss"
    await until_answered(api, QUESTION)
    task = await until_answered(api, IN_OTHER_WORDS)
    assert (task["usage"]["cached_calls"], task["usage"]["cost_usd"]) == (1, "0")
    assert float(task["usage"]["saved_usd"]) > 0
    for number in (16, 18, 19):
        assert (await ask(api, QUESTION.replace("17", str(number))))["cache"] == "miss"

    clear = await bare_deployment.start("cache", "clear", "--agent", "faq", "--url", api.url)
    assert await clear.ended() == 0, clear.present_state()
    assert (await ask(api, IN_OTHER_WORDS))["cache"] == "miss"
