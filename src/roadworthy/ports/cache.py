"""Values that may vanish at any time: replies and embeddings that were paid for once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Stamp:
    """Marks, as they stood when somebody looked: what is put with it is refused if one was dropped meanwhile."""

    marks: tuple[str, ...] = ()
    seen: tuple[bytes, ...] = ()
    """What stood for each of them; empty where nothing was put under it yet."""


UNMARKED = Stamp()


@dataclass(frozen=True, slots=True)
class Looked:
    """What was there."""

    values: Sequence[bytes | None]
    """In the order of the keys."""
    stamp: Stamp
    """For what is put in the place of a missing value."""


class Cache(Protocol):
    """Keys are bytes of the caller's choice. Methods raise BrokerUnavailable.

    A value may carry *marks*: names like `agent:support`. Dropping a mark costs the same however much was put under it.
    """

    async def get(self, keys: Sequence[bytes], marks: Sequence[str] = ()) -> Looked:
        """The values, as far as they are there, were put with these marks, and none of the marks was dropped since.

        One round trip.
        """
        ...

    async def put(self, values: Mapping[bytes, bytes], seconds: float, stamp: Stamp = UNMARKED) -> bool:
        """Keep the values for that long. False, and nothing is kept, if a mark was dropped since the stamp."""
        ...

    async def drop(self, mark: str) -> None:
        """Forget everything that was put under the mark until now, or that is put with a stamp from before."""
        ...
