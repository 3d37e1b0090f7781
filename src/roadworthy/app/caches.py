"""Puts the caches of a worker together, for the services that want one."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING

from roadworthy.app.settings import Settings
from roadworthy.app.stores import Stores
from roadworthy.core.execution.run_attempt import Served
from roadworthy.core.model_gateway.cache_in_time import CacheInTime
from roadworthy.core.model_gateway.counters import GatewayCounters
from roadworthy.core.model_gateway.embeddings import Embeddings
from roadworthy.core.model_gateway.reply_caches import ReplyCaches
from roadworthy.core.model_gateway.semantic_cache import SemanticCache
from roadworthy.domain.cache_policy import OFFLINE, CachePolicy
from roadworthy.domain.errors import TargetNotLoadable
from roadworthy.domain.service import AgentService

if TYPE_CHECKING:
    from roadworthy.adapters.offline_embedder import OfflineEmbedder
    from roadworthy.frameworks.pydantic_ai.embedder import PydanticAIEmbedder


def new_caches(
    stores: Stores, served: Mapping[str, Served], settings: Settings, counters: GatewayCounters
) -> ReplyCaches:
    """The worker closes them. Raises TargetNotLoadable as `check_embedder` does."""
    policies = [one.service.cache for one in served.values() if one.service.cache is not None]
    if not policies:
        return ReplyCaches.off()
    cache = CacheInTime(stores.cache)
    names = sorted({policy.embedder for policy in policies if policy.semantic})
    embedders = {name: _embedder(name, counters) for name in names}
    embeddings = {
        name: Embeddings(embedder, cache, settings.embedding_cache_seconds, counters)
        for name, embedder in embedders.items()
    }
    semantic = {name: SemanticCache(stores.similar_replies, each) for name, each in embeddings.items()}
    return ReplyCaches(
        cache,
        settings.response_cache_seconds,
        semantic,
        counters,
        owns=(*semantic.values(), *embeddings.values(), *embedders.values(), cache),
        cold=tuple(embedders.values()),
    )


def check_embedder(service: AgentService) -> None:
    """TargetNotLoadable where a service wants texts embedded and that can't be done here."""
    match service.cache:
        case CachePolicy(semantic=True, embedder=name):
            try:
                _embedder(name, GatewayCounters())
            except TargetNotLoadable as error:
                raise TargetNotLoadable(f"service {service.name!r} has a semantic cache: {error.message}") from error
        case _:
            pass


def _embedder(name: str, counters: GatewayCounters) -> OfflineEmbedder | PydanticAIEmbedder:
    if name == OFFLINE:
        from roadworthy.adapters.offline_embedder import OfflineEmbedder

        return OfflineEmbedder()
    from roadworthy.frameworks.pydantic_ai.embedder import PydanticAIEmbedder

    def count(tokens: int, dollars: Decimal) -> None:
        counters.embedding_tokens[name] += tokens
        counters.embedding_dollars[name] += dollars

    return PydanticAIEmbedder(name, count)
