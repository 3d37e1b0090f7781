"""What a worker counts of its model calls: plain numbers, read by whoever asks for metrics."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal

CacheOutcome = Literal["hit", "miss", "kept", "passed_over", "unreadable", "dropped", "failed"]


@dataclass(eq=False, slots=True)
class GatewayCounters:
    """One a process. Counters only rise."""

    cache: Counter[tuple[str, CacheOutcome]] = field(default_factory=Counter[tuple[str, CacheOutcome]])
    """By cache (`exact`, `semantic`, `embedding`) and outcome."""
    model_requests: Counter[tuple[str, str]] = field(default_factory=Counter[tuple[str, str]])
    """Calls of providers, by model and outcome."""
    embedding_tokens: Counter[str] = field(default_factory=Counter[str])
    """By embedder, as far as it counts them."""
    embedding_dollars: defaultdict[str, Decimal] = field(default_factory=lambda: defaultdict[str, Decimal](Decimal))
    """By embedder. A question may cost less than the smallest amount that the ledger knows."""
