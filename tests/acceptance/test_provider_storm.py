"""A provider that fails three calls in ten, in every way it knows: each task ends with an answer, and none is paid for
twice."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path

import pytest

from roadworthy.testing.simulated_provider.faults import NAMED_FAULTS

from .deployment import Deployment
from .http_api import texts

TASKS = 500
FAULTS = (*NAMED_FAULTS, "429", "500", "503")
ONE_OF_TEN_THREE = 0.0389
"""Of each fault: together they meet 30 % of the calls."""
BROKEN = ("refused", "hang", "cut", "malformed", "error-event")
"""Faults after which nobody knows what the provider takes for the call."""


@pytest.mark.timeout(240)
async def test_every_task_ends_with_an_answer_and_no_call_is_paid_for_twice(bare_deployment: Deployment) -> None:
    deployment = bare_deployment
    deployment.targets = [f"{Path(__file__).with_name('storm_services.py')}:service"]
    deployment.provider.control(
        faults=[f"{fault}:{ONE_OF_TEN_THREE}" for fault in FAULTS],
        tokens=40,
        tokens_per_second=200,
        retry_after=0.2,
        text_by="request",
    )
    await deployment.start_api()
    await deployment.start_upkeep()
    await deployment.start_worker(worker_concurrency="500", lease_seconds="10")
    outcomes = Counter(await asyncio.gather(*(_followed(deployment, number) for number in range(TASKS))))
    assert sum(outcomes.values()) == TASKS
    assert set(outcomes) <= {"succeeded", "partial"}
    assert outcomes["succeeded"] >= TASKS * 0.95, outcomes
    await _check_ledger(deployment)


async def _followed(deployment: Deployment, number: int) -> str:
    task = await deployment.api.submit("storm", f"Is item {number} in stock?")
    async with deployment.api.follow(task["id"]) as stream:
        done = (await stream.until(lambda: stream.done, "the task is done", seconds=150)).data
        assert done["output"], done
        numbers = [event.id for event in stream.seen]
        assert numbers == sorted(set(numbers))
        if done["status"] == "succeeded":
            assert texts(stream.seen)[-2] == done["output"], "a text that broke off stays on the screen"
    return done["status"]


async def _check_ledger(deployment: Deployment) -> None:
    billed = await deployment.fetch(
        "select state, cost > 0 as billed, journaled, count(*) from charges group by 1, 2, 3"
    )
    ledger = Counter({(row[0], row[1], row[2]): row[3] for row in billed})
    said = Counter(deployment.provider.stats["outcomes"])
    assert said["answered"] > TASKS
    answered = sum(count for (state, cost, _), count in ledger.items() if state == "settled" and cost)
    uncertain = sum(count for (state, _, _), count in ledger.items() if state == "uncertain")
    assert answered == said["answered"], (ledger, said)
    assert uncertain == sum(said[fault] for fault in (*BROKEN, "client_closed")), (ledger, said)
    assert not [key for key in ledger if key[0] == "open"]
    twice = await deployment.fetch(
        "select task_id, key from charges where state = 'settled' and cost > 0 group by 1, 2 having count(*) > 1"
    )
    assert not twice
    (unpaid,) = await deployment.fetch(
        """
        select count(*) from journal_entries e where kind = 'model' and not exists (
            select from charges c where c.task_id = e.task_id and c.key = e.key and c.journaled and c.state = 'settled'
        )
        """
    )
    assert unpaid[0] == 0
