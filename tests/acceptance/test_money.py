"""One budget under real processes: never exceeded, used up before anybody is refused, and right after crashes."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from .deployment import SHORT_LEASE, Deployment

TARGET = f"{Path(__file__).with_name('money_services.py')}:service"
DOLLAR = 1_000_000
TOKEN, COST, WORST = 1000, 200_000, 600_000
"""Micro-dollars: of a token, of an answer, and of what is reserved for one. As in money_services.py, which only the
processes load."""
DAY = 86_400


@pytest.fixture(autouse=True)
def not_at_midnight() -> None:
    if DAY - time.time() % DAY < 90:
        pytest.skip("at midnight every user of a day's budget has a new one")


@pytest.fixture
async def dear(bare_deployment: Deployment) -> Deployment:
    """An API server that knows of no budget, so that the workers have to refuse, and upkeep."""
    bare_deployment.targets = [TARGET]
    await asyncio.gather(bare_deployment.start_api(), bare_deployment.start_upkeep(lease_seconds=SHORT_LEASE))
    return bare_deployment


async def submitted(deployment: Deployment, tasks: int) -> list[str]:
    receipts = await asyncio.gather(*(deployment.api.submit("dear", f"Task {n}.") for n in range(tasks)))
    return [receipt["id"] for receipt in receipts]


async def ended(deployment: Deployment, ids: list[str]) -> dict[str, dict[str, Any]]:
    return dict(zip(ids, await asyncio.gather(*(deployment.api.ended(id_) for id_ in ids)), strict=True))


def billed(deployment: Deployment) -> Counter[str]:
    """Micro-dollars by message: all that the provider has sent, heard or not."""
    bills: Counter[str] = Counter()
    for request in deployment.provider.requests:
        bills[request.message] += request.tokens * TOKEN
    return bills


async def ledger(deployment: Deployment) -> dict[str, Counter[str]]:
    """By message: how many charges in each state, and what they count as spent."""
    query = """
        select t.input, c.state, count(*), sum(coalesce(c.cost, c.estimate))
        from charges c join tasks t on t.id = c.task_id group by 1, 2
    """
    lines: dict[str, Counter[str]] = {}
    for message, state, count, spent in await deployment.fetch(query):
        lines.setdefault(message, Counter()).update({state: count, "spent": int(spent)})
    return lines


async def test_a_budget_is_used_up_before_anybody_is_refused_and_never_exceeded(dear: Deployment) -> None:
    """200 tasks at once, three workers, and money for twenty and a half."""
    budget = 20 * COST + COST // 2
    settings = {"budget_per_user_day_usd": str(budget / DOLLAR), "worker_concurrency": "70"}
    ids = await submitted(dear, 200)
    await dear.start_workers(3, **settings)
    tasks = await ended(dear, ids)
    whole = [task for task in tasks.values() if task["status"] == "succeeded"]
    cut = [task for task in tasks.values() if task["status"] == "partial" and task["output"]]
    refused = [task for task in tasks.values() if task["status"] == "partial" and not task["output"]]
    assert len(whole) + len(cut) + len(refused) == 200
    # Two workers may divide what is left at the end, and cut one answer each.
    assert (len(whole), len(cut)) in {(20, 1), (19, 2), (19, 3)}, Counter(task["reason"] for task in tasks.values())
    for task in cut:
        assert "the answer was cut short: the daily budget of dev did not pay for more of it" in task["reason"]
    for task in refused:
        assert task["error"]["code"] == "budget_used_up"
        assert "the daily budget of dev, $4.1, is used up; it opens again in" in task["reason"]

    bills, lines = billed(dear), await ledger(dear)
    assert sum(bills.values()) == sum(line["spent"] for line in lines.values()) == budget
    assert all(line["settled"] == 1 and not line["open"] for line in lines.values())
    used_by_then = """
        select sum(cost) from charges where settled_at <= (
            select min(ended_at) from tasks where status = 'partial' and output is null
        )
    """
    assert (await dear.fetch(used_by_then))[0][0] >= 0.95 * budget
    for worker in dear.workers:
        assert await worker.terminate() == 0
    assert list((await dear.fetch("select given, spent from budgets"))[0]) == [budget, budget]


async def test_nothing_that_was_billed_is_forgotten_although_workers_are_killed(dear: Deployment) -> None:
    budget = 20 * DOLLAR
    settings = {"budget_per_user_day_usd": str(budget / DOLLAR), "worker_concurrency": "6"}
    settings |= {"lease_seconds": SHORT_LEASE, "max_retries": "10"}
    ids = await submitted(dear, 60)
    await dear.start_workers(3, **settings)
    chance = random.Random(1)
    for at_least in (8, 20, 35):
        await dear.provider.wait_for(requests_at_least=at_least)
        victim = chance.choice([worker for worker in dear.workers if worker.status is None])
        await asyncio.sleep(chance.random() * 0.1)  # at any moment of a call
        await victim.kill()
        await dear.start_worker(**settings)
    tasks = await ended(dear, ids)
    await until_nothing_is_open(dear)

    bills, lines = billed(dear), await ledger(dear)
    states = sum(lines.values(), Counter[str]())
    assert states["uncertain"] > 0, "nobody was killed in the middle of a call"
    assert sum(bills.values()) <= states["spent"] <= budget
    answered = Counter(request.message for request in dear.provider.requests)
    for number, task in enumerate(tasks.values()):
        message = f"Task {number}."
        line = lines.get(message, Counter())
        assert bills[message] <= line["spent"]
        assert answered[message] <= line["settled"] + line["uncertain"]
        assert float(task["usage"]["cost_usd"]) == pytest.approx(line["spent"] / DOLLAR), task
    for worker in dear.workers:
        if worker.status is None:
            assert await worker.terminate() == 0
    given, spent = (await dear.fetch("select given, spent from budgets"))[0]
    assert given >= spent == states["spent"]


async def until_nothing_is_open(deployment: Deployment) -> None:
    async with asyncio.timeout(30):
        while await deployment.fetch("select 1 from charges where state = 'open' limit 1"):  # noqa: ASYNC110
            await asyncio.sleep(0.2)
