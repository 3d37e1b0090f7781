"""A proxy that breaks what passes through it, for tests of broken networks: over TCP and over Unix sockets.

    async with FaultProxy("127.0.0.1:5432") as proxy:
        ...  # clients use proxy.address
        proxy.black_hole()
        ...  # nobody hears anything any more
        proxy.heal()

Every fault can be had in one direction, for one connection (`proxy.connections`) or for all, and changed at any time.
It runs in the event loop that started it.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import Literal, Self

Direction = Literal["to_target", "to_client", "both"]
Side = Literal["client", "target"]

CONNECT_SECONDS = 5.0
_CHUNK = 1 << 16
_MOST_KEPT = 1 << 20
"""Bytes that wait in one direction before their sender has to."""


class _Way:
    """One direction of a connection: bytes leave in the order in which they came, when they may."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._kept: deque[tuple[float, bytes]] = deque()
        self._kept_bytes = 0
        self._news = asyncio.Event()
        self._room = asyncio.Event()
        self.delay = 0.0
        self.held = False
        self.passed = 0
        """Bytes that arrived on the other side."""

    def changed(self) -> None:
        self._news.set()

    async def read(self) -> None:
        """Until the sender has ended; the end waits in line like any byte."""
        clock = asyncio.get_running_loop().time
        while data := await self._reader.read(_CHUNK):
            self._kept.append((clock(), data))
            self._kept_bytes += len(data)
            self._news.set()
            while self._kept_bytes > _MOST_KEPT:
                self._room.clear()
                await self._room.wait()
        self._kept.append((clock(), b""))
        self._news.set()

    async def write(self) -> None:
        """Until the end was passed on."""
        while True:
            seconds = self._seconds_left()
            if seconds is None or seconds > 0:
                self._news.clear()
                await _wait_for(self._news, seconds)
                continue
            _, data = self._kept.popleft()
            self._kept_bytes -= len(data)
            self._room.set()
            if not data:
                self._writer.write_eof()
                return
            self._writer.write(data)
            self.passed += len(data)
            await self._writer.drain()

    def _seconds_left(self) -> float | None:
        """Until the next bytes may leave; None while there are none or they are held."""
        if self.held or not self._kept:
            return None
        return self._kept[0][0] + self.delay - asyncio.get_running_loop().time()


class ProxiedConnection:
    """One client's connection and the one to the target that belongs to it."""

    def __init__(self, client: _Stream, target: _Stream) -> None:
        self._client = client
        self._target = target
        self._ways = {"to_target": _Way(client[0], target[1]), "to_client": _Way(target[0], client[1])}
        self._believer: _Stream | None = None
        self._pumping = asyncio.create_task(self._pump())

    def bytes_passed(self, direction: Direction = "both") -> int:
        return sum(way.passed for way in self._chosen(direction))

    def delay(self, seconds: float, direction: Direction = "both") -> None:
        """Everything arrives so much later than it was sent, what is on its way included."""
        self._change(direction, lambda way: setattr(way, "delay", seconds))

    def black_hole(self, direction: Direction = "both") -> None:
        """Nothing arrives. What is sent is kept, as TCP would send it again, and arrives when the fault is healed."""
        self._change(direction, lambda way: setattr(way, "held", True))

    def half_open(self, believer: Side = "client") -> None:
        """Reset the other side's connection without telling the believer, who goes on sending and hears nothing.
        It stays so: a connection does not come back."""
        self._believer = self._client if believer == "client" else self._target
        self._pumping.cancel()
        _reset(self._target if believer == "client" else self._client)

    def cut(self) -> None:
        """Reset both sides; what is on its way is lost."""
        _reset(self._client)
        _reset(self._target)

    def heal(self) -> None:
        """No delay, and nothing held."""

        def let_pass(way: _Way) -> None:
            way.delay, way.held = 0.0, False

        self._change("both", let_pass)

    async def run(self) -> None:
        """Until both sides have ended, or one broke off."""
        try:
            await asyncio.wait([self._pumping])
            if self._believer is not None:
                while await self._believer[0].read(_CHUNK):
                    pass
        finally:
            self._pumping.cancel()
            self.cut()
            await asyncio.gather(self._pumping, return_exceptions=True)

    async def _pump(self) -> None:
        async with asyncio.TaskGroup() as group:
            for way in self._ways.values():
                group.create_task(way.read())
                group.create_task(way.write())

    def _change(self, direction: Direction, change: Callable[[_Way], object]) -> None:
        for way in self._chosen(direction):
            change(way)
            way.changed()

    def _chosen(self, direction: Direction) -> list[_Way]:
        return list(self._ways.values()) if direction == "both" else [self._ways[direction]]


class FaultProxy:
    """Passes connections on to `target`, until it is told otherwise.

    Addresses are `host:port`, or the path of a Unix socket (anything with a slash). Without `listen` it takes a free
    port on 127.0.0.1. Faults set here are for all connections, also for those to come.
    """

    def __init__(self, target: str, listen: str = "127.0.0.1:0") -> None:
        self.target = target
        self.address = listen
        """Where clients connect; with the real port once it is started."""
        self.connections: list[ProxiedConnection] = []
        """Those that are open now, oldest first."""
        self.opened = 0
        """How many connections clients have made, refused ones included."""
        self._listening: asyncio.Server | None = None
        self._serving: set[asyncio.Task[None]] = set()
        self._delays = {"to_target": 0.0, "to_client": 0.0}
        self._held: set[Direction] = set()
        self._refusing = False
        self._reachable = asyncio.Event()
        self._reachable.set()
        self._changed = asyncio.Condition()

    async def start(self) -> None:
        """Raises OSError where the address can't be listened on."""
        if "/" in self.address:
            self._listening = await asyncio.start_unix_server(self._accept, self.address)
            return
        host, _, port = self.address.rpartition(":")
        self._listening = await asyncio.start_server(self._accept, host.strip("[]"), int(port))
        self.address = f"{host}:{self._listening.sockets[0].getsockname()[1]}"

    async def stop(self) -> None:
        """Listen no more and cut every connection."""
        if self._listening is not None:
            self._listening.close()
        serving = list(self._serving)
        for task in serving:
            task.cancel()
        await asyncio.gather(*serving, return_exceptions=True)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    def delay(self, seconds: float, direction: Direction = "both") -> None:
        """Everything arrives so much later than it was sent."""
        for name in ("to_target", "to_client") if direction == "both" else (direction,):
            self._delays[name] = seconds
        for connection in self.connections:
            connection.delay(seconds, direction)

    def black_hole(self, direction: Direction = "both") -> None:
        """Nothing arrives; new connections get no answer and reach the target only when the fault is healed."""
        self._held.add(direction)
        self._reachable.clear()
        for connection in self.connections:
            connection.black_hole(direction)

    def half_open(self, believer: Side = "client") -> None:
        """Each open connection ends for one side only, and the other does not hear of it; new ones are fine."""
        for connection in self.connections:
            connection.half_open(believer)

    def cut(self, *, refuse: bool = True) -> None:
        """Reset every connection, and new ones too until the fault is healed, unless `refuse` is false."""
        self._refusing = refuse
        for connection in list(self.connections):
            connection.cut()

    def heal(self) -> None:
        """Everything passes again, what was held first; connections that were cut or half-open do not come back."""
        self._delays = {"to_target": 0.0, "to_client": 0.0}
        self._held.clear()
        self._refusing = False
        self._reachable.set()
        for connection in self.connections:
            connection.heal()

    async def until_opened(self, times: int) -> None:
        """Wait until clients have connected so often, and those who got through are connected to the target."""
        async with self._changed:
            await self._changed.wait_for(lambda: self.opened >= times and (self._refusing or bool(self.connections)))

    async def until_closed(self) -> None:
        """Wait until no connection is open."""
        async with self._changed:
            await self._changed.wait_for(lambda: not self.connections)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        this = asyncio.current_task()
        assert this is not None
        self._serving.add(this)
        client = (reader, writer)
        self.opened += 1
        try:
            await self._reachable.wait()
            if not self._refusing:
                await self._serve(client)
        except (OSError, TimeoutError):
            pass  # nobody at the target: the client is told by the reset
        finally:
            _reset(client)
            self._serving.discard(this)
            await self._tell()

    async def _serve(self, client: _Stream) -> None:
        async with asyncio.timeout(CONNECT_SECONDS):
            target = await _connect(self.target)
        connection = ProxiedConnection(client, target)
        for direction, seconds in self._delays.items():
            connection.delay(seconds, "to_target" if direction == "to_target" else "to_client")
        for direction in self._held:
            connection.black_hole(direction)
        self.connections.append(connection)
        await self._tell()
        try:
            await connection.run()
        finally:
            self.connections.remove(connection)
            _reset(target)

    async def _tell(self) -> None:
        async with self._changed:
            self._changed.notify_all()


_Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def _connect(address: str) -> _Stream:
    if "/" in address:
        return await asyncio.open_unix_connection(address)
    host, _, port = address.rpartition(":")
    return await asyncio.open_connection(host.strip("[]"), int(port))


def _reset(stream: _Stream) -> None:
    """End it at once, for the peer with a reset; does nothing the second time."""
    transport = stream[1].transport
    if transport.is_closing():
        return
    own: socket.socket | None = transport.get_extra_info("socket")
    if own is not None and own.family != socket.AF_UNIX:
        own.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()


async def _wait_for(event: asyncio.Event, seconds: float | None) -> None:
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return
