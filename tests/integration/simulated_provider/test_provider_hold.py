"""Answers wait until they are released, and tests wait for events."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest
from openai import APIConnectionError, AsyncOpenAI

from roadworthy.testing.simulated_provider import InvalidSetting, SimulatedProvider

HELLO: Any = [{"role": "user", "content": "hello"}]


@pytest.fixture
async def http(provider: SimulatedProvider) -> AsyncIterator[httpx2.AsyncClient]:
    async with httpx2.AsyncClient(base_url=provider.url, timeout=30, verify=False) as client:
        yield client


def ask(client: AsyncOpenAI, model: str = "sim", stream: bool = False) -> asyncio.Task[Any]:
    return asyncio.create_task(client.chat.completions.create(model=model, messages=HELLO, stream=stream))


@pytest.mark.parametrize("stream", [False, True])
async def test_hold_and_release_over_http(http: httpx2.AsyncClient, openai_client: AsyncOpenAI, stream: bool) -> None:
    await http.post("/control", json={"hold": True})
    asked = [ask(openai_client, stream=stream) for _ in range(3)]
    stats = (await http.get("/stats", params={"requests_at_least": 3, "held_at_least": 3, "seconds": 20})).json()
    assert (stats["reached"], stats["requests"], stats["held"], stats["inflight"]) == (True, 3, 3, 3)
    assert not any(task.done() for task in asked)
    assert (await http.post("/control", json={"release": 1})).json() == {"released": 1, "held": 2}
    await asked[0]
    assert (await http.get("/stats")).json()["held"] == 2
    assert (await http.post("/control", json={"hold": False})).json() == {"released": 2, "held": 0}
    for task in asked:
        answer = await task
        if stream:
            assert [chunk async for chunk in answer]
    assert (await http.get("/stats")).json()["outcomes"] == {"answered": 3}
    await ask(openai_client)


async def test_hold_in_the_middle_of_a_stream(provider: SimulatedProvider, openai_client: AsyncOpenAI) -> None:
    provider.control(hold_after_tokens=3)
    for rate in (0, 1000):
        stream = await ask(openai_client, f"sim-tokens8-rate{rate}", stream=True)
        received: list[str] = []
        async for chunk in stream:
            received += [choice.delta.content for choice in chunk.choices if choice.delta.content]
            if len(received) == 3:
                await provider.wait_for(held_at_least=1)
                assert provider.requests[-1].tokens == 3
                assert provider.control(release=1) == 1
        assert len(received) == 8
    assert provider.stats["outcomes"] == {"answered": 2}


async def test_short_streams_and_whole_answers_wait_before_their_end(
    provider: SimulatedProvider, openai_client: AsyncOpenAI
) -> None:
    provider.control(hold={"after_tokens": 100})
    stream = await ask(openai_client, "sim-tokens2", stream=True)
    whole = ask(openai_client, "sim-tokens2")
    await provider.wait_for(held_at_least=2)
    assert [record.tokens for record in provider.requests] == [2, 0]
    assert not whole.done()
    assert provider.control(hold=False) == 2
    assert [chunk.choices[0].finish_reason async for chunk in stream][-1] == "stop"
    assert (await whole).usage.completion_tokens == 2


async def test_hold_only_what_is_meant(provider: SimulatedProvider, openai_client: AsyncOpenAI) -> None:
    provider.control(hold={"model": "sim-slow", "turn": 1, "contains": "hello"})
    await ask(openai_client)
    await ask(openai_client, "sim-slow")
    second = asyncio.create_task(
        openai_client.chat.completions.create(
            model="sim-slow", messages=[*HELLO, {"role": "assistant", "content": "calling"}]
        )
    )
    await provider.wait_for(held_at_least=1)
    assert provider.control(hold=None) == 1
    await second


async def test_a_client_that_goes_away_is_noticed(provider: SimulatedProvider, openai_client: AsyncOpenAI) -> None:
    provider.control(hold=True)
    asked = ask(openai_client)
    await provider.wait_for(held_at_least=1)
    asked.cancel()
    await provider.wait_for(inflight_at_most=0, ended_at_least=1)
    assert (provider.requests[0].outcome, provider.stats["held"]) == ("client_closed", 0)


async def test_stop_ends_what_is_held_or_waits(
    provider: SimulatedProvider, openai_client: AsyncOpenAI, http: httpx2.AsyncClient
) -> None:
    provider.control(hold=True)
    asked = ask(openai_client)
    waiting = asyncio.create_task(http.get("/stats", params={"requests_at_least": 99}))
    await provider.wait_for(held_at_least=1)
    await provider.stop()
    results = await asyncio.gather(asked, waiting, return_exceptions=True)
    assert isinstance(results[0], APIConnectionError)
    assert isinstance(results[1], httpx2.TransportError)


async def test_waiting_ends_without_the_event(provider: SimulatedProvider, http: httpx2.AsyncClient) -> None:
    stats = (await http.get("/stats", params={"requests_at_least": 1, "seconds": 0.01})).json()
    assert (stats["reached"], stats["requests"]) == (False, 0)
    with pytest.raises(TimeoutError, match="requests_at_least=1"):
        await provider.wait_for(requests_at_least=1, seconds=0.01)


async def test_control_changes_the_setup_or_nothing(
    provider: SimulatedProvider, openai_client: AsyncOpenAI, http: httpx2.AsyncClient
) -> None:
    changed = await http.post("/control", json={"script": ["scripted"], "faults": ["500@+1"], "latency": "1ms"})
    assert changed.status_code == 200
    with pytest.raises(Exception, match="500"):
        await ask(openai_client)
    assert (await ask(openai_client)).choices[0].message.content == "scripted"
    for wrong in ({"tokens": 3, "hold": 3}, {"tokens": 3, "faults": ["x"]}, {"token": 3}, {"tokens": 3, "release": -1}):
        refused = await http.post("/control", json=wrong)
        assert refused.status_code == 400
        assert refused.json()["error"]["message"]
        with pytest.raises(InvalidSetting):
            provider.control(**wrong)
    assert (await ask(openai_client)).choices[0].message.content == "scripted"
    provider.control(restore=True)
    assert (await ask(openai_client)).usage.completion_tokens == 20


async def test_reset_forgets_the_past_but_not_the_setup(
    provider: SimulatedProvider, openai_client: AsyncOpenAI, http: httpx2.AsyncClient
) -> None:
    provider.control(faults=["429@2"], hold={"model": "sim-held"})
    first = (await ask(openai_client)).id
    held = ask(openai_client, "sim-other-fail429")
    with pytest.raises(Exception, match="429"):
        await held
    waiting = ask(openai_client, "sim-held")
    await provider.wait_for(held_at_least=1)
    await http.post("/reset")
    stats = (await http.get("/stats")).json()
    assert (stats["requests"], stats["inflight"], stats["max_inflight"], stats["by_model"]) == (0, 1, 1, {})
    assert (await http.get("/requests")).json() == []
    assert (await ask(openai_client)).id == first
    with pytest.raises(Exception, match="429"):
        await ask(openai_client)
    provider.control(hold=False)
    await waiting
    listed = (await http.get("/requests")).json()
    assert [(one["number"], one["outcome"], one["key"], one["wire"]) for one in listed] == [
        (1, "answered", "hello", "openai"),
        (2, "429", "hello", "openai"),
    ]
    stats = (await http.get("/stats")).json()
    assert (stats["requests"], stats["ended"], stats["inflight"]) == (2, 2, 0)
