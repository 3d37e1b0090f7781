"""Group commit at its barest."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any


class WrittenTogether:
    """Rows that come while a write is under way go into the next one; each caller waits for its own."""

    def __init__(self, write: Callable[[list[tuple[Any, ...]]], Awaitable[Any]]) -> None:
        self._write = write
        self._rows: list[tuple[Any, ...]] = []
        self._written: asyncio.Future[None] | None = None
        self._writer: asyncio.Task[None] | None = None

    async def __call__(self, *row: Any) -> None:
        self._rows.append(row)
        if self._written is None:
            self._written = asyncio.get_running_loop().create_future()
        written = self._written
        if self._writer is None:
            self._writer = asyncio.create_task(self._write_all())
        await written

    async def _write_all(self) -> None:
        while self._written is not None:
            rows, written = self._rows, self._written
            self._rows, self._written = [], None
            try:
                await self._write(rows)
            except Exception as error:
                written.set_exception(error)
            else:
                written.set_result(None)
        self._writer = None
