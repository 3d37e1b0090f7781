"""What happened, one line an event, with short names for ids: the same bytes for the same seed."""

from __future__ import annotations

from collections import Counter
from hashlib import blake2b
from uuid import UUID

from roadworthy.testing.virtual_time import VirtualTimeLoop, current_process


class Trace:
    def __init__(self, loop: VirtualTimeLoop) -> None:
        self._loop = loop
        self._events: list[tuple[float, str, tuple[object, ...]]] = []
        self._names: dict[UUID, str] = {}
        self._named: Counter[str] = Counter()
        self.counts: Counter[str] = Counter()
        """How often what happened, for the summary."""

    def add(self, *what: object) -> None:
        self._events.append((self._loop.time(), current_process().name, what))

    def count(self, what: str) -> None:
        self.counts[what] += 1

    def name(self, id_: UUID, kind: str) -> str:
        """`task 3`, for the third task that anything was said of."""
        if id_ not in self._names:
            self._named[kind] += 1
            self._names[id_] = f"{kind} {self._named[kind]}"
        return self._names[id_]

    def named(self, id_: UUID | None) -> str:
        return "nobody" if id_ is None else self._names.get(id_, "unnamed")

    def lines(self) -> list[str]:
        return [f"{at:10.4f}  {who:<14} {' '.join(map(str, what))}" for at, who, what in self._events]

    def digest(self) -> str:
        return blake2b("\n".join(self.lines()).encode(), digest_size=16).hexdigest()
