"""Which answers the money cut short, and which ended at a limit of their own."""

from __future__ import annotations

from typing import Any

import pytest

from roadworthy.domain.limits import Limits
from roadworthy.domain.price import Price
from roadworthy.domain.task import TaskStatus

from .desk import Desk, run


@pytest.mark.parametrize(
    ("usage", "finish", "status"),
    [
        ({"prompt_tokens": 10, "completion_tokens": 500}, "length", TaskStatus.SUCCEEDED),
        ({"prompt_tokens": 10, "completion_tokens": 2000}, "length", TaskStatus.PARTIAL),
        ({"prompt_tokens": 10, "completion_tokens": 2000}, "stop", TaskStatus.SUCCEEDED),
        ({}, "length", TaskStatus.PARTIAL),
    ],
    ids=["its own limit", "the money", "just long enough", "nobody counted"],
)
def test_an_answer_is_cut_short_where_it_reached_what_the_money_paid_for(
    usage: dict[str, int], finish: str, status: TaskStatus
):
    async def agent(ctx: Any, message: str) -> str:
        async def ask(show: Any) -> Any:
            return {"choices": [{"message": {"content": "a long answer"}, "finish_reason": finish}], "usage": usage}

        await ctx.model("m", ask)
        return "done"

    prices = {"m": Price(input="0", output="15")}
    task = run(Desk({"m": []}, agent=agent, models=None, prices=prices, limits=Limits(cost_usd="0.03")))
    assert task.status is status
    assert ("cut short" in (task.reason or "")) is (status is TaskStatus.PARTIAL)
