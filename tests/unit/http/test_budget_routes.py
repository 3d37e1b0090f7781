"""Money over HTTP: what operators see and put right, what callers see of their own, and the 402 in between."""

from __future__ import annotations

from typing import Any

import pytest
from api_in_memory import Api

from roadworthy.domain.budget import BudgetLimits
from roadworthy.domain.principal import DEVELOPER, Principal
from roadworthy.domain.task import Claimed

NOBODYS = "00000000-0000-7000-8000-000000000000"
"""An id that no charge has; the same in every process, as names of tests are."""

LIMITS = BudgetLimits(user_day=1_000_000, global_month=20_000_000)
ALICE = Principal("acme", "alice")


@pytest.fixture
async def limited():
    api = Api(limits=LIMITS)
    yield api
    await api.close()


async def claimed(api: Api) -> Claimed:
    life = await api.life()
    await life.claim()
    return life.claimed


async def test_a_used_up_budget_refuses_with_402_until_its_window_ends(limited: Api):
    before = await limited.call("POST", "/v1/tasks", {"input": "hello"}, {"Idempotency-Key": "key"})
    await limited.spender.spend(DEVELOPER, "1")
    await limited.world.clock.advance(10)
    answer = await limited.call("POST", "/v1/tasks", {"input": "hello"})
    assert (answer.status, answer.headers["content-type"]) == (402, "application/problem+json")
    problem = answer.json()
    assert problem["code"] == "out_of_budget"
    assert problem["detail"].startswith("the daily budget of dev, $1, is used up; it opens again in ")
    to_midnight = 86_400 - limited.world.clock.time() % 86_400
    assert int(answer.headers["retry-after"]) == pytest.approx(to_midnight, abs=1)
    again = await limited.call("POST", "/v1/tasks", {"input": "hello"}, {"Idempotency-Key": "key"})
    assert (again.status, again.headers["idempotent-replayed"]) == (202, "true")
    assert again.json()["id"] == before.json()["id"]


async def test_standings_are_the_fullest_first_with_the_limits(limited: Api):
    await limited.spender.spend(ALICE, "0.25", under_way="0.5")
    answer = (await limited.call("GET", "/v1/operator/budgets")).json()
    assert answer["limits_usd"] == {"user_day": "1", "tenant_month": None, "global_month": "20"}
    first, second = answer["budgets"]
    seconds_left = first.pop("seconds_left")
    assert 0 < seconds_left <= 86_400
    assert first == {
        "scope": "user_day",
        "tenant": "acme",
        "user": "alice",
        "limit_usd": "1",
        "spent_usd": "0.25",
        "uncertain_usd": "0",
        "reserved_usd": "0.5",
        "used_ratio": 0.25,
        "used_up": False,
    }
    assert (second["scope"], second["tenant"], second["user"], second["used_ratio"]) == (
        "global_month", None, None, 0.0125,
    )  # fmt: skip
    assert len((await limited.call("GET", "/v1/operator/budgets?limit=1")).json()["budgets"]) == 1


async def test_alerts_are_listed_as_the_store_has_them(limited: Api):
    await limited.spender.spend(ALICE, "0.85")
    await limited.accounts.new_alerts(LIMITS)
    alerts = (await limited.call("GET", "/v1/operator/alerts")).json()["alerts"]
    assert [(each["percent"], each["kind"], each["user"], each["spent_usd"]) for each in alerts] == [
        (80, "budget", "alice", "0.85"),
        (50, "budget", "alice", "0.85"),
    ]


async def test_charges_by_state_and_task_in_pages(limited: Api):
    one, other = await claimed(limited), await claimed(limited)
    settled = await limited.spender.charge(one, "0.02", "0.01", model="claude")
    uncertain = await limited.spender.charge(one, "0.03")
    under_way = await limited.spender.charge(other, "0.04", under_way=True)

    async def ids(query: str = "") -> list[str]:
        return [each["id"] for each in (await limited.call("GET", f"/v1/operator/charges{query}")).json()["charges"]]

    assert await ids() == [str(under_way), str(uncertain), str(settled)]
    assert await ids("?state=uncertain") == [str(uncertain)]
    assert await ids(f"?task_id={one.task.id}") == [str(uncertain), str(settled)]
    first = (await limited.call("GET", "/v1/operator/charges?limit=2")).json()
    assert await ids(f"?limit=2&cursor={first['next_cursor']}") == [str(settled)]
    shown = (await limited.call("GET", "/v1/operator/charges?state=settled")).json()["charges"][0]
    assert shown.pop("at").endswith("Z")
    assert shown == {
        "id": str(settled),
        "state": "settled",
        "estimate_usd": "0.02",
        "cost_usd": "0.01",
        "task_id": str(one.task.id),
        "attempt": 1,
        "key": "m1",
        "tenant": "dev",
        "user": "dev",
        "agent": "support",
        "version": "1",
        "model": "claude",
        "links": {"correct": f"/v1/operator/charges/{settled}/correct", "task": f"/v1/tasks/{one.task.id}"},
    }


async def test_an_uncertain_charge_is_corrected_once_and_who_did_it_is_kept(limited: Api):
    one = await claimed(limited)
    charge = await limited.spender.charge(one, "0.03")
    path = f"/v1/operator/charges/{charge}/correct"
    answer = await limited.call("POST", path, {"cost_usd": "0.0123", "note": "invoice 4711"})
    assert answer.status == 200
    assert (answer.json()["state"], answer.json()["cost_usd"]) == ("settled", "0.0123")
    (action,) = (await limited.call("GET", f"/v1/operator/actions?task_id={one.task.id}")).json()["actions"]
    assert (action["action"], action["operator"], action["note"]) == ("correct_charge", "dev", "invoice 4711")
    assert action["detail"] == {"charge_id": str(charge), "cost_usd": "0.0123", "estimate_usd": "0.03"}
    again = await limited.call("POST", path, {"cost_usd": "0.02"})
    assert (again.status, again.json()["code"]) == (409, "not_uncertain")
    assert again.json()["detail"].endswith("; it is settled at $0.0123")
    open_ = await limited.spender.charge(one, "0.03", under_way=True)
    early = await limited.call("POST", f"/v1/operator/charges/{open_}/correct", {"cost_usd": "0.02"})
    assert early.json()["detail"].endswith("; its call is under way")


@pytest.mark.parametrize("cost", [None, "cheap", "", -1, "-0.01", True, [1], "1e999999999", "10000.01", "nan", "inf"])
async def test_a_cost_that_is_no_amount_is_refused(limited: Api, cost: Any):
    charge = await limited.spender.charge(await claimed(limited), "0.03")
    answer = await limited.call("POST", f"/v1/operator/charges/{charge}/correct", {"cost_usd": cost})
    assert (answer.status, answer.json()["code"]) == (422, "invalid_request")
    assert "cost_usd must be an amount in dollars from 0 to 10,000, like '0.0123'" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("method", "path", "status", "words"),
    [
        ("POST", f"/v1/operator/charges/{NOBODYS}/correct", 404, "no charge of that id; `roadworthy budget charges`"),
        ("POST", "/v1/operator/charges/4711/correct", 404, ""),
        ("POST", f"/v1/operator/charges/{NOBODYS}/correct?note=x", 422, "unknown query parameter 'note'"),
        ("GET", "/v1/operator/charges?state=lost", 422, "state must be one of open, settled, uncertain, not 'lost'"),
        ("GET", "/v1/operator/charges?task_id=mine", 422, "task_id must be a task's id"),
        ("GET", "/v1/operator/charges?cursor=abc", 400, "cursor"),
        ("GET", "/v1/operator/charges?limit=201", 422, "limit must be"),
        ("GET", "/v1/operator/budgets?scope=user_day", 422, "unknown query parameter 'scope'; there are limit"),
        ("GET", "/v1/operator/alerts?limit=0", 422, "limit must be"),
        ("GET", "/v1/usage?by=hour", 422, "by must be one of day, agent, model, not 'hour'"),
        ("GET", "/v1/usage?days=0", 422, "days must be a whole number from 1 to 366, not '0'"),
        ("GET", "/v1/usage?days=367", 422, "days must be a whole number from 1 to 366"),
        ("GET", "/v1/usage?days=a%20week", 422, "days must be a whole number from 1 to 366"),
        ("GET", "/v1/usage?days=99999999999999999999", 422, "days must be a whole number from 1 to 366"),
        ("GET", "/v1/usage?user=bob", 422, "unknown query parameter 'user'; there are by, days"),
    ],
)
async def test_what_cannot_be_meant_is_told(limited: Api, method: str, path: str, status: int, words: str):
    answer = await limited.call(method, path, {"cost_usd": "1"} if method == "POST" else None)
    assert answer.status == status, answer.body
    assert words in answer.json()["detail"]


async def test_usage_is_the_callers_own_by_day_agent_or_model(limited: Api):
    one = await claimed(limited)
    await limited.spender.charge(one, "0.02", "0.01", model="claude", input_tokens=100)
    await limited.spender.charge(one, "0.03")
    await limited.spender.charge(one, "0.5", under_way=True)
    await limited.world.clock.advance(86_400)
    await limited.spender.charge(await claimed(limited), "0.02", "0.02", model="claude", input_tokens=200)

    async def usage(query: str = "") -> dict[str, Any]:
        return (await limited.call("GET", f"/v1/usage{query}")).json()

    report = await usage()
    assert (report["by"], report["days"]) == ("day", 30)
    today, yesterday = report["usage"]
    assert today["day"] > yesterday["day"]
    assert yesterday == {
        "day": yesterday["day"],
        "cost_usd": "0.04",
        "uncertain_usd": "0.03",
        "input_tokens": 100,
        "output_tokens": 10,
        "cache_read_tokens": 0,
        "calls": 2,
    }
    assert (report["total"]["cost_usd"], report["total"]["calls"]) == ("0.06", 3)
    assert [line["day"] for line in (await usage("?days=1"))["usage"]] == [today["day"]]
    assert {line["model"]: line["cost_usd"] for line in (await usage("?by=model"))["usage"]} == {
        "claude": "0.03",
        "gpt-test": "0.03",
    }
    assert [(line["agent"], line["calls"]) for line in (await usage("?by=agent"))["usage"]] == [("support", 3)]


async def test_users_see_their_own_usage_and_nothing_of_operators():
    who = [DEVELOPER]

    async def user(_: object) -> Principal:
        return who[0]

    api = Api(authenticate=user, limits=LIMITS)
    await api.spender.charge(await claimed(api), "0.02", "0.01")
    assert (await api.call("GET", "/v1/usage")).json()["total"]["calls"] == 1
    who[0] = ALICE
    assert (await api.call("GET", "/v1/usage")).json()["usage"] == []
    for method, path in (
        ("GET", "/v1/operator/budgets"),
        ("GET", "/v1/operator/alerts"),
        ("GET", "/v1/operator/charges"),
        ("POST", f"/v1/operator/charges/{NOBODYS}/correct"),
    ):
        answer = await api.call(method, path, {"cost_usd": "1"} if method == "POST" else None)
        assert (answer.status, answer.json()["code"]) == (403, "not_allowed")
    await api.close()


async def test_a_store_that_is_away_is_told(limited: Api):
    limited.world.outages.store_away = True
    for path in ("/v1/usage", "/v1/operator/budgets", "/v1/operator/charges", "/v1/operator/alerts"):
        answer = await limited.call("GET", path)
        assert (answer.status, answer.json()["code"]) == (503, "store_unavailable")
