"""What a worker's calls came to, as Prometheus reads it."""

from decimal import Decimal

from prometheus_client.exposition import generate_latest
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import CollectorRegistry

from roadworthy.core.model_gateway.gateway import ModelGateway
from roadworthy.edges.http.gateway_metrics import gateway_collector


def test_counts_are_those_of_the_gateway():
    gateway, registry = ModelGateway(), CollectorRegistry()
    registry.register(gateway_collector(gateway))

    def scraped() -> dict[str, float]:
        families = text_string_to_metric_families(generate_latest(registry).decode())
        return {" ".join([s.name, *s.labels.values()]): s.value for f in families for s in f.samples}

    assert scraped() == {}
    counters = gateway.counters
    counters.cache["exact", "hit"] += 2
    counters.model_requests["gpt-5-mini", "answered"] += 3
    counters.embedding_tokens["openai:small"] += 1000
    counters.embedding_dollars["openai:small"] += Decimal("0.0000004")
    for _ in range(5):
        gateway.breakers.failed("gpt-5-mini")
    assert scraped() == {
        "roadworthy_cache_total exact hit": 2,
        "roadworthy_model_requests_total gpt-5-mini answered": 3,
        "roadworthy_embedding_tokens_total openai:small": 1000,
        "roadworthy_embedding_cost_usd_total openai:small": 0.0000004,
        "roadworthy_breaker_open gpt-5-mini": 1,
    }
