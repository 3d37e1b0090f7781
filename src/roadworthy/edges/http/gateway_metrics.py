"""What a worker's model and tool calls came to, for Prometheus: counts of this process alone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from roadworthy.core.model_gateway.gateway import ModelGateway
from roadworthy.core.tool_gateway.gateway import ToolGateway

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric
    from prometheus_client.registry import Collector


def gateway_collector(gateway: ModelGateway, tools: ToolGateway | None = None) -> Collector:
    from prometheus_client.registry import Collector

    class GatewayCollector(Collector):
        def collect(self) -> Iterator[Metric]:
            yield from _metrics(gateway)
            if tools is not None:
                yield _tool_calls(tools)

    return GatewayCollector()


def _metrics(gateway: ModelGateway) -> Iterator[Metric]:
    from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily

    counted = gateway.counters
    requests = CounterMetricFamily(
        "roadworthy_model_requests", "Calls of providers, by what came of them.", labels=["model", "outcome"]
    )
    for (model, outcome), count in counted.model_requests.items():
        requests.add_metric([model, outcome], count)
    caches = CounterMetricFamily(
        "roadworthy_cache", "What caches of replies and embeddings were asked, and kept.", labels=["cache", "outcome"]
    )
    for (cache, outcome), count in counted.cache.items():
        caches.add_metric([cache, outcome], count)
    tokens = CounterMetricFamily(
        "roadworthy_embedding_tokens", "Tokens that providers of embeddings have counted.", labels=["embedder"]
    )
    cost = CounterMetricFamily(
        "roadworthy_embedding_cost_usd", "What embeddings have cost; no task is charged for them.", labels=["embedder"]
    )
    for embedder, count in counted.embedding_tokens.items():
        tokens.add_metric([embedder], count)
        cost.add_metric([embedder], float(counted.embedding_dollars[embedder]))
    breakers = GaugeMetricFamily(
        "roadworthy_breaker_open", "Whether what failed lately is left alone: 1 yes, 0 no.", labels=["target"]
    )
    for model, is_open in gateway.breakers.open.items():
        breakers.add_metric([model], float(is_open))
    yield from (requests, caches, tokens, cost, breakers)


def _tool_calls(tools: ToolGateway) -> Metric:
    from prometheus_client.metrics_core import CounterMetricFamily

    calls = CounterMetricFamily(
        "roadworthy_tool_calls", "Calls of tools, by what came of them.", labels=["agent", "tool", "outcome"]
    )
    for labels, count in tools.calls.items():
        calls.add_metric(list(labels), count)
    return calls
