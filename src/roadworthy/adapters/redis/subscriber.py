"""One connection for all subscriptions of a process."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncGenerator, Callable
from contextvars import Context
from typing import Any, Generic, TypeVar

import structlog

from roadworthy.adapters.redis.connection import Connection
from roadworthy.adapters.redis.errors import translated
from roadworthy.adapters.redis.mailbox import Mailbox
from roadworthy.adapters.redis.server import RedisServer
from roadworthy.domain.errors import BrokerUnavailable

PING_SECONDS = 2.0
"""A connection that is silent for two of these is dead."""
FIRST_PAUSE, LONGEST_PAUSE = 0.05, 1.0
"""Seconds between attempts to connect."""
MAILBOX_BYTES = 1_000_000

T = TypeVar("T")

log: structlog.stdlib.BoundLogger = structlog.get_logger()


class _Channel(Generic[T]):
    def __init__(self, decode: Callable[[bytes], T]) -> None:
        self.decode = decode
        self.mailboxes: list[Mailbox[T]] = []
        self.confirmed: asyncio.Future[Any] | None = None
        """The reply to SUBSCRIBE on the present connection."""

    def deliver(self, payload: bytes) -> None:
        try:
            item = self.decode(payload)
        except ValueError:
            self.mark_gap()
            return
        for mailbox in self.mailboxes:
            mailbox.put(item, len(payload))

    def mark_gap(self) -> None:
        for mailbox in self.mailboxes:
            mailbox.mark_gap()


class Subscriber:
    """Connects at the first subscription and stays connected until `close`.

    After a lost connection every mailbox is marked once all of its channels are subscribed to again: who then reads
    what is stored misses nothing.
    """

    def __init__(self, server: RedisServer, mailbox_bytes: int = MAILBOX_BYTES) -> None:
        self._server = server
        self._mailbox_bytes = mailbox_bytes
        self._channels: dict[bytes, _Channel[Any]] = {}
        self._connection: Connection | None = None
        self._entering: set[asyncio.Future[Connection]] = set()
        self._wanted = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._closed = False

    @contextlib.asynccontextmanager
    async def subscribe(self, name: str, decode: Callable[[bytes], T]) -> AsyncGenerator[Mailbox[T]]:
        """What is published in the channel once the context is entered, decoded once for all who listen to it.

        Entering raises BrokerUnavailable; later outages only show as a gap. What `decode` refuses with ValueError
        shows as a gap too.
        """
        connection = await self._connected()
        key = name.encode()
        channel: _Channel[T] = self._channels.setdefault(key, _Channel(decode))
        mailbox: Mailbox[T] = Mailbox(self._mailbox_bytes)
        channel.mailboxes.append(mailbox)
        try:
            if channel.confirmed is None:
                channel.confirmed = connection.send("SUBSCRIBE", key)
            with translated(self._server.where):
                # Others may wait for the same reply: it must survive that one of them is cancelled.
                await connection.reply(asyncio.shield(channel.confirmed))
            yield mailbox
        finally:
            channel.mailboxes.remove(mailbox)
            if not channel.mailboxes and self._channels.get(key) is channel:
                del self._channels[key]
                if self._connection is not None:
                    self._connection.send("UNSUBSCRIBE", key)

    async def close(self) -> None:
        """Those who are entering get BrokerUnavailable; the others are told of a gap, and get no more messages."""
        self._closed = True
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        for channel in self._channels.values():
            channel.mark_gap()

    async def _connected(self) -> Connection:
        if self._closed:
            raise BrokerUnavailable("The subscriptions were closed.")
        if self._connection is not None and not self._connection.is_lost:
            return self._connection
        if self._task is None or self._task.done():
            # It outlives whoever comes first: their log and trace context is not its own.
            self._task = asyncio.create_task(self._stay_connected(), name="redis-subscriber", context=Context())
        entering: asyncio.Future[Connection] = asyncio.get_running_loop().create_future()
        self._entering.add(entering)
        self._wanted.set()
        try:
            return await entering
        finally:
            self._entering.discard(entering)

    async def _stay_connected(self) -> None:
        pause = FIRST_PAUSE
        try:
            while True:
                try:
                    await self._be_connected()
                    pause = FIRST_PAUSE
                except BrokerUnavailable as error:
                    self._refuse_entering(error)
                    pause = min(pause * 2, LONGEST_PAUSE)
                await self._pause(pause)
        finally:
            self._refuse_entering(BrokerUnavailable("The subscriptions were closed."))

    async def _be_connected(self) -> None:
        """Connect, subscribe to everything, and return when the connection is lost. Raises BrokerUnavailable if it
        does not come so far."""
        connection = await self._server.open(self._received)
        try:
            with translated(self._server.where):
                await self._subscribe_again(connection)
            await self._watch(connection)
            log.warning("subscriptions_interrupted", redis=self._server.where, channels=len(self._channels))
        finally:
            self._connection = None
            await connection.close()

    async def _subscribe_again(self, connection: Connection) -> None:
        channels = list(self._channels.items())
        for key, channel in channels:
            channel.confirmed = connection.send("SUBSCRIBE", key)
        self._connection = connection
        for entering in self._entering:
            if not entering.done():
                entering.set_result(connection)
        mailboxes = [mailbox for _, channel in channels for mailbox in channel.mailboxes]
        for _, channel in channels:
            if channel.confirmed is not None:
                await connection.reply(asyncio.shield(channel.confirmed))
        for mailbox in mailboxes:
            mailbox.mark_gap()
        if mailboxes:
            log.info("subscriptions_restored", redis=self._server.where, channels=len(channels))

    @staticmethod
    async def _watch(connection: Connection) -> None:
        heard = -1
        while not await connection.lost_within(PING_SECONDS) and connection.bytes_heard != heard:
            heard = connection.bytes_heard
            connection.send("PING")

    def _received(self, key: bytes, payload: bytes) -> None:
        channel = self._channels.get(key)
        if channel is not None:
            channel.deliver(payload)

    def _refuse_entering(self, error: BrokerUnavailable) -> None:
        for entering in self._entering:
            if not entering.done():
                entering.set_exception(BrokerUnavailable(error.message))

    async def _pause(self, seconds: float) -> None:
        """Between two attempts; somebody who wants to enter does not wait for all of it."""
        self._wanted.clear()
        await asyncio.sleep(FIRST_PAUSE)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._wanted.wait(), seconds * random.random())  # noqa: S311
