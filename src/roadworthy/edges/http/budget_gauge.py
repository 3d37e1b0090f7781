"""How full budgets are, for Prometheus."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

from roadworthy.domain.budget import BudgetScope

if TYPE_CHECKING:
    from prometheus_client.registry import Collector


def budget_collector(ratios: Callable[[], Mapping[BudgetScope, float]]) -> Collector:
    from prometheus_client.metrics_core import GaugeMetricFamily, Metric
    from prometheus_client.registry import Collector

    class BudgetCollector(Collector):
        def collect(self) -> Iterator[Metric]:
            used = GaugeMetricFamily(
                "roadworthy_budget_used_ratio",
                "What is spent of the fullest budget in each scope, over its limit.",
                labels=["scope"],
            )
            for scope, ratio in ratios().items():
                used.add_metric([scope.value], ratio)
            yield used

    return BudgetCollector()
