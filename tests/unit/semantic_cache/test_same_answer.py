from typing import Any

import pytest

from roadworthy.core.model_gateway.embeddings import Embeddings
from roadworthy.core.model_gateway.model_reply import ModelReply
from roadworthy.core.model_gateway.semantic.same_answer import AnswersAlike

from .standing_in import Directions

FAR = "it is something else."


async def same(one: ModelReply, other: ModelReply) -> bool:
    return await AnswersAlike(Embeddings(Directions({FAR: 60})))(one, other)


def said(text: str, *calls: tuple[str, dict[str, Any]]) -> ModelReply:
    asked = [{"call_id": f"{text}{n}", "tool": tool, "arguments": args} for n, (tool, args) in enumerate(calls)]
    return ModelReply(b"", "model", text, asked)


@pytest.mark.parametrize(
    ("one", "other", "are_the_same"),
    [
        ("In the app.", "in  the APP.", True),
        ("You find it in the app.", "It is in the app.", True),
        ("You have 30 days.", "There are 30 days for it.", True),
        ("You have 30 days.", "You have 14 days.", False),
        ("You can return it.", "You can't return it.", False),
        ("Write to a@example.com.", "Write to b@example.com.", False),
        ("It is this.", FAR, False),
        ("It costs $5. " + "So it is. " * 200, "$5 is what it costs. " + "So it is. " * 200, True),
    ],
)
async def test_answers_are_compared_by_what_they_say(one: str, other: str, are_the_same: bool):
    assert await same(said(one), said(other)) is are_the_same
    assert await same(said(other), said(one)) is are_the_same


async def test_calls_of_tools_are_compared_without_their_ids():
    output = ("answer", {"city": "Rome", "days": 3})
    assert await same(said("", output), said(" ", ("answer", {"days": 3, "city": "Rome"})))
    assert not await same(said("", output), said("", ("answer", {"city": "Rome", "days": 4})))
    assert not await same(said("", output), said(""))
