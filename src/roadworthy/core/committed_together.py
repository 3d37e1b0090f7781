"""Group commit: writes of concurrent callers share a transaction, and each waits for its own commit."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextvars import Context
from typing import Generic, TypeVar

Item = TypeVar("Item")
Outcome = TypeVar("Outcome")


class CommittedTogether(Generic[Item, Outcome]):
    """Calls `write` with the items of all callers that came while the write before it was running.

    One write runs at a time and takes up to `most` items; items keep the order in which they came. An exception
    of a write goes to all of its callers. A caller that is cancelled stops waiting; its item is written all the
    same, for it may be on its way already.
    """

    def __init__(self, write: Callable[[Sequence[Item]], Awaitable[Sequence[Outcome]]], most: int = 200) -> None:
        self._write = write
        self._most = most
        self._waiting: list[tuple[Item, asyncio.Future[Outcome]]] = []
        self._writer: asyncio.Task[None] | None = None
        self._closed = False

    async def __call__(self, item: Item) -> Outcome:
        """The outcome of this item, once it is committed. RuntimeError after `close`."""
        return await self.put(item)

    def put(self, item: Item) -> asyncio.Future[Outcome]:
        """Have the item written; for who wants to know of it also if he is cancelled meanwhile."""
        if self._closed:
            raise RuntimeError("the process is shutting down and takes no more writes")
        future: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, future))
        if self._writer is None:
            # An empty context: the first caller's log fields and spans are not those of the others.
            self._writer = asyncio.create_task(self._write_all(), context=Context())
        return future

    async def close(self) -> None:
        """Take nothing more and wait until everything taken is written."""
        self._closed = True
        if self._writer is not None:
            await asyncio.wait([self._writer])

    async def _write_all(self) -> None:
        try:
            while self._waiting:
                batch, self._waiting = self._waiting[: self._most], self._waiting[self._most :]
                await self._write_batch(batch)
        finally:
            self._writer = None
            for _, future in self._waiting:
                future.cancel()
            self._waiting = []

    async def _write_batch(self, batch: Sequence[tuple[Item, asyncio.Future[Outcome]]]) -> None:
        try:
            outcomes = await self._write([item for item, _ in batch])
            if len(outcomes) != len(batch):
                raise RuntimeError(f"a write of {len(batch)} items gave {len(outcomes)} outcomes")
        except Exception as error:
            for _, future in batch:
                if not future.done():
                    future.set_exception(error)
        except BaseException:
            for _, future in batch:
                future.cancel()
            raise
        else:
            for (_, future), outcome in zip(batch, outcomes, strict=True):
                if not future.done():
                    future.set_result(outcome)
