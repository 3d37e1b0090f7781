"""What models ask for wrongly and tools give back wrongly, in real processes over real servers: each gets an answer."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from roadworthy.edges.cli.chat import chat
from roadworthy.edges.cli.chat_screen import PlainScreen

from .deployment import Deployment
from .http_api import Event

TARGET = f"{Path(__file__).with_name('bad_tool_services.py')}:service"
SECRET = "sk-4711-geheim-0815"


@pytest.fixture
async def careless(bare_deployment: Deployment) -> AsyncIterator[Deployment]:
    """API, worker and upkeep in one process, which knows a secret."""
    bare_deployment.targets = [TARGET]
    bare_deployment.settings["SHOP_API_KEY"] = SECRET
    await bare_deployment.start_api(command="serve")
    yield bare_deployment


CALLS: dict[str, tuple[str, Any, str, str]] = {
    "an unknown tool": ("refund_everything", {}, "succeeded", "Unknown tool name: 'refund_everything'"),
    "arguments of another shape": ("size", {"text": [1]}, "succeeded", "Input should be a valid string"),
    "arguments that are no JSON": ("size", '{"text": "x', "succeeded", "Invalid JSON"),
    "arguments of a megabyte": ("size", {"text": "a megabyte"}, "succeeded", "I was told: 1000000"),
    "lines of an event stream": ("framing", {}, "succeeded", "I was told: "),
    "a secret": ("secret", {}, "succeeded", "{'key': '[redacted]'}"),
    "a secret in an error": ("secret_error", {}, "dead", "401 for [redacted]"),
    "a result without end": ("huge", {}, "succeeded", "I was told: [0,1,2,3"),
    "itself, to be called again": ("itself", {}, "dead", "can't be kept in the journal"),
    "itself, called once": ("charged_itself", {}, "succeeded", "charged_itself was done, and must not be done again"),
    "no Exception": ("odd", {}, "dead", "the tool 'odd' raised Odd: not even an Exception"),
    "a secret that it prints": ("printing", {}, "succeeded", "I was told: printed"),
    "an order to the model": ("withheld", {}, "succeeded", "The result of withheld was withheld"),
}


async def test_each_bad_call_has_an_answer_and_its_neighbours_do_not_notice(careless: Deployment):
    answers = await asyncio.gather(*(called(careless, *call[:2]) for call in CALLS.values()))
    told = dict(zip(CALLS, answers, strict=True))
    for name, (_, _, status, words) in CALLS.items():
        task, events = told[name]
        assert task["status"] == status, (name, task)
        assert words in json.dumps([task, events[-1].data], ensure_ascii=False), (name, task)
        assert [event.kind for event in events].count("done") == 1, name
        assert SECRET not in json.dumps([task, [event.data for event in events]]), name
    (result,) = [event.data for event in told["a result without end"][1] if event.kind == "tool_result"]
    assert result["cut"] == 588_891 and "people find all of it" in result["result"]
    (result,) = [event.data for event in told["lines of an event stream"][1] if event.kind == "tool_result"]
    assert "event: done" in result["result"]  # as data of a result, and nothing else
    rows = await careless.fetch("select payload, detail::text from journal_entries where kind <> 'model'")
    assert not any(SECRET.encode() in row[0] or SECRET in row[1] for row in rows)
    assert not any(SECRET in json.dumps(line) for line in careless.processes[0].log)
    # What code prints by itself is the affair of its process, and not looked at.
    assert await careless.processes[0].until_output(SECRET)


async def called(careless: Deployment, tool: str, arguments: Any) -> tuple[dict[str, Any], list[Event]]:
    task = await careless.api.submit("careless", json.dumps([tool, arguments]))
    async with careless.api.follow(task["id"]) as stream:
        await stream.until_done()
    return await careless.api.task(task["id"]), stream.seen


async def test_what_a_tool_says_does_not_steer_the_terminal_of_a_chat(careless: Deployment):
    out, errors = io.StringIO(), io.StringIO()
    code = await chat(careless.api.url, None, ['["framing", {}]'], PlainScreen(out, errors))
    assert (code, errors.getvalue()) == (0, "")
    assert "I was told: ]0;owned[2J" in out.getvalue()
    assert not any(each in out.getvalue() for each in "\x1b\x07\0\r")
