"""What Prometheus reads: always an answer, also when the store gives none."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from api_in_memory import Api
from prometheus_client.parser import text_string_to_metric_families
from spending import Spender

from roadworthy.adapters.memory.budget_accounts import MemoryBudgetAccounts
from roadworthy.core.insight.budget_use import BudgetUse
from roadworthy.core.insight.queue_loads import KEPT_SECONDS, QueueLoads, QueueLook
from roadworthy.domain.budget import BudgetLimits
from roadworthy.domain.errors import StoreUnavailable
from roadworthy.domain.principal import Principal
from roadworthy.edges.http import metrics_route
from roadworthy.edges.http.metrics_route import MetricsRoute
from roadworthy.ports.lanes import LaneLoad
from roadworthy.testing.manual_clock import ManualClock

LOADS = [
    LaneLoad("a@1", queued=3, running=2, oldest_seconds=1.5, workers=1, paused=4, undecided=6, parked=5),
    LaneLoad('odd"lane\\@1', 1, 0, 7, 0),
]


class Store:
    """Says what it is told to, and counts how often it was asked."""

    def __init__(self) -> None:
        self.answer: Sequence[LaneLoad] | Exception = LOADS
        self.upkeep_seconds = 52.0
        self.asked = 0

    async def loads(self) -> Sequence[LaneLoad]:
        self.asked += 1
        await asyncio.sleep(0)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    async def dead_tasks(self) -> int:
        return 7

    async def seconds(self) -> float:
        return self.upkeep_seconds

    async def look(self) -> QueueLook:
        return QueueLook(await self.loads(), self.upkeep_seconds, 7)


async def scraped(api: Api) -> dict[str, dict[str, float]]:
    """Metric → lane or scope, or "" where there is none → value."""
    answer = await api.call("GET", "/metrics")
    assert answer.status == 200
    assert answer.headers["content-type"].startswith("text/plain; version=")
    return {
        family.name: {"".join(sample.labels.values()): sample.value for sample in family.samples}
        for family in text_string_to_metric_families(answer.body.decode())
    }


async def test_the_queue_and_what_the_process_uses():
    metrics = await scraped(Api(metrics=MetricsRoute(Store().look)))
    assert metrics["roadworthy_store_up"] == {"": 1}
    assert metrics["roadworthy_queue_depth"] == {"a@1": 5, 'odd"lane\\@1': 1}
    assert metrics["roadworthy_queue_oldest_seconds"] == {"a@1": 1.5, 'odd"lane\\@1': 7}
    assert metrics["roadworthy_tasks_running"] == {"a@1": 2, 'odd"lane\\@1': 0}
    assert metrics["roadworthy_lane_workers"] == {"a@1": 1, 'odd"lane\\@1': 0}
    assert metrics["roadworthy_tasks_paused"] == {"a@1": 4, 'odd"lane\\@1': 0}
    waiting = {"decisiona@1": 6, "codea@1": 5, 'decisionodd"lane\\@1': 0, 'codeodd"lane\\@1': 0}
    assert metrics["roadworthy_tasks_waiting"] == waiting
    assert metrics["roadworthy_upkeep_last_run_seconds"] == {"": 52}
    assert metrics["roadworthy_tasks_dead"] == {"": 7}
    assert metrics["process_resident_memory_bytes"][""] > 10_000_000


@pytest.mark.parametrize("error", [StoreUnavailable(), RuntimeError("something else")])
async def test_a_store_that_is_away_is_told_and_old_numbers_are_not(error: Exception):
    store = Store()
    api = Api(metrics=MetricsRoute(store.look))
    await scraped(api)
    store.answer = error
    metrics = await scraped(api)
    assert metrics["roadworthy_store_up"] == {"": 0}
    assert metrics["roadworthy_queue_depth"] == {}
    assert "roadworthy_upkeep_last_run_seconds" not in metrics
    assert metrics["process_resident_memory_bytes"]
    store.answer = []
    assert (await scraped(api))["roadworthy_store_up"] == {"": 1}


async def test_a_store_that_does_not_answer_holds_up_no_scrape(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(metrics_route, "ANSWER_SECONDS", 0.01)
    metrics = await scraped(Api(metrics=MetricsRoute(asyncio.Event().wait)))
    assert metrics["roadworthy_store_up"] == {"": 0}


async def test_the_store_is_asked_once_for_all_who_ask_within_two_seconds():
    store, clock = Store(), ManualClock()
    loads = QueueLoads(store, store, clock)
    assert await asyncio.gather(*(loads.look() for _ in range(5))) == [QueueLook(LOADS, 52, 7)] * 5
    await clock.advance(KEPT_SECONDS - 0.1)
    await loads.look()
    assert store.asked == 1
    await clock.advance(0.1)
    store.answer = StoreUnavailable()
    for _ in range(2):
        with pytest.raises(StoreUnavailable):
            await loads.look()
    assert store.asked == 3, "a failure is no answer to keep"
    store.answer = []
    assert await loads.look() == QueueLook([], 52, 7)


async def test_the_fullest_budget_of_each_scope_that_has_any():
    api, limits = Api(), BudgetLimits(user_day=1_000_000, global_month=10_000_000)
    spender = Spender(api.world.database, limits)
    await spender.spend(Principal("acme", "alice"), "0.25")
    await spender.spend(Principal("globex", "alice"), "0.1", under_way="0.8")
    use = BudgetUse(MemoryBudgetAccounts(api.world.database), limits, api.world.clock)
    measured = Api(metrics=MetricsRoute(Store().look, use))
    ratios = {"user_day": 0.25, "global_month": 0.035}
    for _ in range(2):
        assert (await scraped(measured))["roadworthy_budget_used_ratio"] == ratios
    assert api.world.outages.calls.count("budget_accounts.standings") == 2, "each scope once in two seconds"
    await api.world.clock.advance(KEPT_SECONDS)
    api.world.outages.store_away = True
    metrics = await scraped(measured)
    assert (metrics["roadworthy_budget_used_ratio"], metrics["roadworthy_store_up"]) == ({}, {"": 1})
    await api.close()
    await measured.close()
