"""Values that may vanish at any time: replies and embeddings that were paid for once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol


class Cache(Protocol):
    """Keys are bytes of the caller's choice. Methods raise BrokerUnavailable.

    A value may carry *marks*: names like `agent:support`. It is gone once one of them was dropped after it was put.
    """

    async def get(self, keys: Sequence[bytes], marks: Sequence[str] = ()) -> list[bytes | None]:
        """The values, as far as they are there and none of these marks was dropped since they were put."""
        ...

    async def put(self, values: Mapping[bytes, bytes], seconds: float, marks: Sequence[str] = ()) -> None: ...

    async def drop(self, mark: str) -> None:
        """Forget everything that was put under the mark until now."""
        ...
