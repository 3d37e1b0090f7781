"""A used-up budget refuses new tasks, operators hear of it on the way, and put right what nobody is certain of."""

from __future__ import annotations

import asyncio
import json
import time
from decimal import Decimal
from typing import Any

import pytest

from .deployment import SHORT_LEASE, Deployment
from .http_api import Answer, Api
from .processes import Process

BUDGET = Decimal("0.005")
SETTINGS = {"budget_per_user_day_usd": str(BUDGET), "budget_global_month_usd": "1000"}
DAY = 86_400


@pytest.fixture(autouse=True)
def not_at_midnight() -> None:
    if DAY - time.time() % DAY < 60:
        pytest.skip("in a minute every user of a day's budget has a new one")


async def start(deployment: Deployment) -> tuple[Process, Process]:
    """API, worker and two processes of upkeep."""
    _, first, second, _ = await asyncio.gather(
        deployment.start_api(**SETTINGS),
        deployment.start_upkeep(lease_seconds=SHORT_LEASE, **SETTINGS),
        deployment.start_upkeep(lease_seconds=SHORT_LEASE, **SETTINGS),
        deployment.start_worker(lease_seconds=SHORT_LEASE, **SETTINGS),
    )
    return first, second


async def submitted(api: Api, key: str) -> Answer:
    return await api.post("/v1/tasks", {"agent": "openai", "input": "Hello."}, headers={"idempotency-key": key})


async def spend_until_refused(api: Api) -> list[dict[str, Any]]:
    """The tasks that were taken, as they ended."""
    ended: list[dict[str, Any]] = []
    async with asyncio.timeout(20):
        while (answer := await submitted(api, f"task {len(ended)}")).status == 202:
            ended.append(await api.ended(answer.body["id"]))
    assert (answer.status, answer.body["code"]) == (402, "out_of_budget")
    assert answer.body["detail"].startswith("the daily budget of dev, $0.005, is used up; it opens again in ")
    assert int(answer.headers["retry-after"]) == pytest.approx(DAY - time.time() % DAY, abs=5)
    return ended


async def roadworthy(deployment: Deployment, *arguments: str) -> Any:
    """What `roadworthy budget …` says."""
    process = await deployment.start("budget", *arguments, "--json", "--url", deployment.api.url)
    assert await process.ended() == 0, process.present_state()
    return json.loads("\n".join(process.output))


async def test_tasks_run_until_the_budget_is_used_up_and_operators_hear_of_it_on_the_way(
    bare_deployment: Deployment,
) -> None:
    deployment = bare_deployment
    deployment.provider.control(tokens=500)
    upkeeps = await start(deployment)
    api = deployment.api
    ended = await spend_until_refused(api)
    assert {task["status"] for task in ended[:3]} == {"succeeded"}
    assert {task["status"] for task in ended} <= {"succeeded", "partial"}
    spent = sum(Decimal(task["usage"]["cost_usd"]) for task in ended)
    # What a call costs above its estimate is all that it may be passed by.
    assert BUDGET * 9 / 10 <= spent <= BUDGET * 101 / 100
    repeated = await submitted(api, "task 0")
    assert (repeated.status, repeated.body["id"]) == (202, ended[0]["id"])

    usage = (await api.get("/v1/usage?by=model")).body
    assert {line["model"]: line["cost_usd"] for line in usage["usage"]} == {"sim-openai": str(spent)}
    (standing,) = [each for each in (await roadworthy(deployment))["budgets"] if each["scope"] == "user_day"]
    assert (standing["spent_usd"], standing["used_up"], standing["user"]) == (str(spent), True, "dev")
    metrics = (await api.get("/metrics")).body.decode()
    assert f'roadworthy_budget_used_ratio{{scope="user_day"}} {float(spent / BUDGET)}' in metrics

    said = [asyncio.create_task(each.until_logged("budget_alert", percent=100)) for each in upkeeps]
    await asyncio.wait(said, return_when=asyncio.FIRST_COMPLETED)
    for task in said:
        task.cancel()
    alerts = [entry for upkeep in upkeeps for entry in upkeep.logged("budget_alert")]
    assert sorted((entry["percent"], entry["level"]) for entry in alerts) == [
        (50, "warning"),
        (80, "warning"),
        (100, "error"),
    ]
    assert {(entry["scope"], entry["tenant"], entry["user"], entry["limit"]) for entry in alerts} == {
        ("user_day", "dev", "dev", "0.005")
    }
    listed = (await roadworthy(deployment, "alerts"))["alerts"]
    assert sorted(alert["percent"] for alert in listed) == [50, 80, 100]


async def test_a_call_that_nobody_is_certain_of_is_corrected_and_may_be_spent_again(
    bare_deployment: Deployment,
) -> None:
    deployment = bare_deployment
    deployment.provider.control(hold=True)
    await start(deployment)
    api = deployment.api
    (worker,) = deployment.workers
    task = await api.submit("openai", "Hello.")
    await deployment.provider.wait_for(held_at_least=1)
    await worker.kill()
    await deployment.start_worker(**SETTINGS)
    ended = await api.ended(task["id"])
    assert ended["status"] == "partial"
    assert "the daily budget of dev, $0.005, is used up" in ended["reason"]
    assert {each["status"] for each in await spend_until_refused(api)} <= {"partial"}

    (charge,) = (await roadworthy(deployment, "charges", "--state", "uncertain", "--task", task["id"]))["charges"]
    assert Decimal(charge["estimate_usd"]) > BUDGET * 9 / 10
    corrected = await roadworthy(deployment, "correct", charge["id"], "--cost", "0.0001", "--note", "as invoiced")
    assert (corrected["state"], corrected["cost_usd"]) == ("settled", "0.0001")
    deployment.provider.control(hold=False)
    async with asyncio.timeout(5):
        while (again := await submitted(api, "another")).status == 402:
            pass  # what it knows is a second old at most
    assert again.status == 202, again
    assert (await api.ended(again.body["id"]))["status"] == "succeeded"
    (action,) = (await api.get(f"/v1/operator/actions?task_id={task['id']}")).body["actions"]
    assert (action["action"], action["note"]) == ("correct_charge", "as invoiced")
