"""What was asked and how it ended: counters, the latest requests, and waiting until a count is reached."""

from __future__ import annotations

import asyncio
import time
from collections import Counter, deque
from dataclasses import dataclass, field, fields
from typing import Literal

from roadworthy.testing.simulated_provider.json_values import JsonObject

KEPT_REQUESTS = 100_000
"""How many requests `GET /requests` remembers."""

OUTCOMES = ("open", "answered", "client_closed")
"""How a request can stand, besides the kind of the fault that ended it."""


@dataclass(slots=True)
class RequestRecord:
    """One request to a model."""

    number: int
    """Counted from 1 since the start or the last reset."""
    wire: Literal["openai", "anthropic"]
    model: str
    key: str
    """The beginning of the conversation's first user message, at most 120 characters."""
    message: str
    """The beginning of the latest user message, at most 120 characters."""
    turn: int
    depth: int
    stream: bool
    tokens: int = 0
    """Tokens that were sent."""
    cache_read_tokens: int = 0
    """Of the prompt, from the prompt cache (Anthropic wire)."""
    cache_write_tokens: int = 0
    outcome: str = "open"
    """One of OUTCOMES, or the kind of the fault."""
    at: float = field(default_factory=time.time)
    """When it came, in seconds since 1970."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A state of the counters that somebody waits for."""

    requests_at_least: int = 0
    held_at_least: int = 0
    ended_at_least: int = 0
    tokens_at_least: int = 0
    inflight_at_most: int | None = None


WANTED_NAMES = frozenset(field.name for field in fields(Wanted))


class Statistics:
    """Counters of one simulated provider, all since the start or the last reset."""

    def __init__(self) -> None:
        self._waiting: dict[asyncio.Future[bool], Wanted] = {}
        self.inflight = 0
        self.held = 0
        self.reset()

    def reset(self) -> None:
        """Forget everything but the requests that are under way."""
        self.number = 0
        self.ended = 0
        self.tokens = 0
        self.bad_requests = 0
        self.max_inflight = self.inflight
        self.by_model: Counter[str] = Counter()
        self.faults: Counter[str] = Counter()
        self.outcomes: Counter[str] = Counter()
        self.records: deque[RequestRecord] = deque(maxlen=KEPT_REQUESTS)
        self._counted: set[int] = set()

    def begin(self, record: RequestRecord) -> None:
        """Count a request that arrived; its number must be the next."""
        self.by_model[record.model] += 1
        self.records.append(record)
        self._counted.add(id(record))
        self.inflight += 1
        self.max_inflight = max(self.max_inflight, self.inflight)
        self.changed()

    def end(self, record: RequestRecord, outcome: str) -> None:
        """Count the end of a request; one from before the last reset only leaves `inflight`."""
        record.outcome = outcome
        self.inflight -= 1
        if id(record) in self._counted:
            self._counted.remove(id(record))
            self.ended += 1
            self.outcomes[outcome] += 1
        self.changed()

    def snapshot(self) -> JsonObject:
        """The counters as `GET /stats` shows them."""
        return {
            "requests": self.number,
            "ended": self.ended,
            "inflight": self.inflight,
            "max_inflight": self.max_inflight,
            "held": self.held,
            "tokens": self.tokens,
            "bad_requests": self.bad_requests,
            "by_model": dict(self.by_model),
            "faults": dict(self.faults),
            "outcomes": dict(self.outcomes),
        }

    async def wait_for(self, wanted: Wanted, seconds: float) -> bool:
        """Wait until the counters are as wanted; False when that did not happen within `seconds`."""
        if self._reached(wanted):
            return True
        future: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiting[future] = wanted
        try:
            return await asyncio.wait_for(future, seconds)
        except TimeoutError:
            return False
        finally:
            self._waiting.pop(future, None)

    def changed(self) -> None:
        """Wake those whose wish has come true."""
        if self._waiting:
            for future, wanted in self._waiting.items():
                if not future.done() and self._reached(wanted):
                    future.set_result(True)

    def _reached(self, wanted: Wanted) -> bool:
        return (
            self.number >= wanted.requests_at_least
            and self.held >= wanted.held_at_least
            and self.ended >= wanted.ended_at_least
            and self.tokens >= wanted.tokens_at_least
            and (wanted.inflight_at_most is None or self.inflight <= wanted.inflight_at_most)
        )
