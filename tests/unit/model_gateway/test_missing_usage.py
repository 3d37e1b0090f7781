"""Replies that nobody counted the tokens of, or counted absurdly."""

from __future__ import annotations

from typing import Any

import pytest
from structlog.testing import capture_logs

from roadworthy.core.model_gateway.model_reply import ModelReply
from roadworthy.core.model_gateway.prices import Prices
from roadworthy.domain.budget import MOST_COST, MOST_TOKENS, BudgetLimits
from roadworthy.domain.limits import Limits
from roadworthy.domain.price import Price
from roadworthy.domain.task import Task, TaskStatus

from .desk import Desk, in_virtual_time

PRICE = Price(input="0", output="10")
ESTIMATE = 1000 * 10


def desk_of(reply: Any, price: Price = PRICE, calls: int = 1, **limits: Any) -> Desk:
    async def agent(ctx: Any, message: str) -> str:
        async def ask(show: Any) -> Any:
            return reply

        for _ in range(calls):
            await ctx.model("m", ask, max_output_tokens=1000)
        return "done"

    return Desk({"m": []}, agent=agent, models=None, prices={"m": price}, limits=Limits(**limits))


def answered(desk: Desk, tasks: int = 1) -> tuple[list[Task], list[Any], dict[str, Any]]:
    """Tasks, their charges, and the detail of the first call's entry."""

    async def main() -> Any:
        async with desk.working(budgets=BudgetLimits(user_day=1_000_000)):
            done = [await desk.answered() for _ in range(tasks)]
            detail = await desk.entry(done[0])
        return done, await desk.cluster.accounts.charges(), detail

    return in_virtual_time(main)


@pytest.mark.parametrize(
    "reply",
    [
        "only text",
        {"choices": [{"message": {"content": "yes"}}]},
        {"choices": [{"message": {"content": "yes"}}], "usage": {"prompt_tokens": 0, "completion_tokens": 0}},
        {"choices": [{"message": {"content": "yes"}}], "usage": {"prompt_tokens": -5, "completion_tokens": -1}},
    ],
    ids=["text", "no usage", "nothing counted", "below zero"],
)
def test_a_reply_without_usage_counts_at_its_estimate(reply: Any):
    (task,), (charge,), detail = answered(desk_of(reply))
    assert task.usage.cost == ESTIMATE
    assert (charge.state, charge.estimate, charge.cost) == ("uncertain", ESTIMATE, None)
    assert (detail["cost"], detail["uncertain"]) == (ESTIMATE, True)


def test_uncounted_calls_use_up_a_task_like_any_others():
    (task,), charges, _ = answered(desk_of("text", calls=5, cost_usd="0.025"))
    assert (task.status, task.usage.cost) == (TaskStatus.PARTIAL, 25_000)
    assert len(charges) == 3


def test_it_is_said_once_for_each_model_with_what_to_do():
    with capture_logs() as logs:
        answered(desk_of("text", calls=2), tasks=2)
    (said,) = [line for line in logs if line["event"] == "usage_missing"]
    assert (said["log_level"], said["model"]) == ("warning", "m")
    assert "include_usage" in said["todo"] and "Price.free()" in said["todo"]


def test_what_costs_nothing_needs_no_usage():
    with capture_logs() as logs:
        (task,), (charge,), detail = answered(desk_of("text", Price.free()))
    assert (task.usage.cost, charge.state, charge.cost) == (0, "settled", 0)
    assert "uncertain" not in detail
    assert not [line for line in logs if line["event"] == "usage_missing"]


def test_absurd_counts_become_numbers_that_can_be_kept():
    usage = {"prompt_tokens": 10, "completion_tokens": 10**19}
    (task,), (charge,), detail = answered(
        desk_of({"choices": [{"message": {"content": "yes"}}], "usage": usage}, cost_usd="0")
    )
    assert task.status is TaskStatus.SUCCEEDED
    assert (charge.state, charge.cost, detail["cost"]) == ("settled", MOST_COST, MOST_COST)
    assert detail["usage"]["output_tokens"] == MOST_TOKENS
    assert ModelReply(b"", "m", usage={"input_tokens": -5, "output_tokens": 3}).usage == {
        "input_tokens": 0,
        "output_tokens": 3,
    }
    assert Prices({"m": PRICE}).worst("m", 10**19, 10**19) == MOST_COST
