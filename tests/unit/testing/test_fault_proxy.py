"""The fault proxy does what its faults are called."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from roadworthy.testing.fault_proxy import FaultProxy

ALREADY = 0.05
"""Seconds in which what passes has passed, and what comes nevertheless would show."""


class Echo:
    """A target that answers every line with the same one, over TCP or a Unix socket."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.heard: list[bytes] = []
        self.ended = asyncio.Event()

    async def start(self) -> None:
        if "/" in self.address:
            self._server = await asyncio.start_unix_server(self._answer, self.address)
        else:
            self._server = await asyncio.start_server(self._answer, "127.0.0.1", 0)
            self.address = f"127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while line := await reader.readline():
                self.heard.append(line)
                writer.write(line)
            writer.close()
        except ConnectionError:
            pass
        finally:
            self.ended.set()

    def stop(self) -> None:
        self._server.close()


class Client:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    def say(self, line: bytes) -> None:
        self.writer.write(line + b"\n")

    async def hear(self, seconds: float = 5) -> bytes:
        """The next line; b"" when the connection was ended or reset."""
        async with asyncio.timeout(seconds):
            try:
                return (await self.reader.readline()).rstrip()
            except ConnectionError:
                return b""

    async def hears_nothing(self) -> bool:
        try:
            await self.hear(ALREADY)
        except TimeoutError:
            return True
        return False


@asynccontextmanager
async def connected(proxy: FaultProxy) -> AsyncIterator[Client]:
    if "/" in proxy.address:
        reader, writer = await asyncio.open_unix_connection(proxy.address)
    else:
        host, port = proxy.address.split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
    yield Client(reader, writer)
    writer.close()


@pytest.fixture(params=["tcp", "unix"])
async def echo(request: pytest.FixtureRequest, short_folder: str) -> AsyncIterator[Echo]:
    echo = Echo(f"{short_folder}/echo" if request.param == "unix" else "")
    await echo.start()
    yield echo
    echo.stop()


@pytest.fixture
def short_folder(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(tmp_path_factory.mktemp("p"))


@pytest.fixture
async def proxy(echo: Echo, short_folder: str) -> AsyncIterator[FaultProxy]:
    listen = f"{short_folder}/proxy" if "/" in echo.address else "127.0.0.1:0"
    async with FaultProxy(echo.address, listen) as proxy:
        yield proxy


async def test_everything_passes_in_order(proxy: FaultProxy, echo: Echo) -> None:
    async with connected(proxy) as client:
        for number in range(100):
            client.say(b"%d" % number)
        assert [await client.hear() for _ in range(100)] == [b"%d" % number for number in range(100)]
        assert len(echo.heard) == 100
        passed = proxy.connections[0].bytes_passed
        assert passed("to_target") == passed("to_client") == passed() / 2


async def test_more_than_it_keeps_passes_too(proxy: FaultProxy) -> None:
    async with connected(proxy) as client:
        for _ in range(100):
            client.say(b"x" * 60_000)
        assert {len(await client.hear()) for _ in range(100)} == {60_000}


async def test_the_end_passes_after_everything_before_it(proxy: FaultProxy, echo: Echo) -> None:
    proxy.delay(ALREADY)
    async with connected(proxy) as client:
        client.say(b"last words")
        client.writer.write_eof()
        assert await client.hear() == b"last words"
        assert await client.hear() == b""
    await asyncio.wait_for(proxy.until_closed(), 5)


async def test_a_delay_is_added_to_each_direction(proxy: FaultProxy) -> None:
    clock = asyncio.get_running_loop().time
    async with connected(proxy) as client:
        client.say(b"now")
        await client.hear()
        proxy.delay(0.1)
        sent = clock()
        client.say(b"later")
        client.say(b"with it")
        assert (await client.hear(), await client.hear()) == (b"later", b"with it")
        assert 0.2 <= clock() - sent < 1
        proxy.heal()
        proxy.delay(0.1, "to_client")
        sent = clock()
        client.say(b"once")
        await client.hear()
        assert 0.1 <= clock() - sent < 0.2


async def test_healing_a_long_delay_does_not_wait_for_it(proxy: FaultProxy) -> None:
    proxy.delay(60)
    async with connected(proxy) as client:
        client.say(b"at last")
        assert await client.hears_nothing()
        proxy.heal()
        assert await client.hear() == b"at last"


async def test_nothing_comes_out_of_a_black_hole_until_it_is_healed(proxy: FaultProxy, echo: Echo) -> None:
    async with connected(proxy) as client:
        await proxy.until_opened(1)
        proxy.black_hole()
        client.say(b"hello?")
        assert await client.hears_nothing()
        assert echo.heard == []
        proxy.heal()
        assert await client.hear() == b"hello?"


async def test_a_black_hole_in_one_direction(proxy: FaultProxy, echo: Echo) -> None:
    async with connected(proxy) as client:
        await proxy.until_opened(1)
        proxy.black_hole("to_client")
        client.say(b"hello?")
        assert await client.hears_nothing()
        assert echo.heard == [b"hello?\n"]
        proxy.heal()
        assert await client.hear() == b"hello?"


async def test_whoever_connects_into_a_black_hole_waits(proxy: FaultProxy, echo: Echo) -> None:
    proxy.black_hole()
    async with connected(proxy) as client:
        client.say(b"hello?")
        assert await client.hears_nothing()
        assert proxy.connections == []
        proxy.heal()
        assert await client.hear() == b"hello?"


async def test_a_half_open_connection_swallows_what_its_believer_sends(proxy: FaultProxy, echo: Echo) -> None:
    async with connected(proxy) as client:
        client.say(b"one")
        await client.hear()
        proxy.half_open()
        await asyncio.wait_for(echo.ended.wait(), 5)
        client.say(b"two")
        assert await client.hears_nothing()
        proxy.heal()
        assert await client.hears_nothing()
        async with connected(proxy) as other:
            other.say(b"three")
            assert await other.hear() == b"three"
    assert echo.heard == [b"one\n", b"three\n"]
    await asyncio.wait_for(proxy.until_closed(), 5)


async def test_the_target_may_be_the_believer(proxy: FaultProxy, echo: Echo) -> None:
    async with connected(proxy) as client:
        client.say(b"one")
        await client.hear()
        proxy.half_open("target")
        assert await client.hear() == b""
        assert not echo.ended.is_set()


async def test_a_cut_ends_both_sides_and_refuses_new_ones(proxy: FaultProxy, echo: Echo) -> None:
    async with connected(proxy) as client:
        await proxy.until_opened(1)
        proxy.cut()
        assert await client.hear() == b""
        await asyncio.wait_for(echo.ended.wait(), 5)
        async with connected(proxy) as refused:
            assert await refused.hear() == b""
        proxy.heal()
        async with connected(proxy) as welcome:
            welcome.say(b"back")
            assert await welcome.hear() == b"back"


async def test_a_single_cut_lets_everybody_come_back(proxy: FaultProxy) -> None:
    async with connected(proxy) as client:
        await proxy.until_opened(1)
        proxy.cut(refuse=False)
        assert await client.hear() == b""
        async with connected(proxy) as again:
            again.say(b"back")
            assert await again.hear() == b"back"


async def test_one_connection_alone_can_be_broken(proxy: FaultProxy) -> None:
    async with connected(proxy) as first, connected(proxy) as second:
        for client in (first, second):
            client.say(b"hello")
            await client.hear()
        proxy.connections[0].black_hole()
        first.say(b"first")
        second.say(b"second")
        assert await second.hear() == b"second"
        assert await first.hears_nothing()


async def test_a_target_that_is_away_ends_the_client(proxy: FaultProxy, echo: Echo) -> None:
    echo.stop()
    async with connected(proxy) as client:
        assert await client.hear() == b""


async def test_stopping_ends_what_is_open(proxy: FaultProxy, echo: Echo) -> None:
    async with connected(proxy) as client:
        await proxy.until_opened(1)
        proxy.black_hole()
        await proxy.stop()
        assert await client.hear() == b""
        await asyncio.wait_for(echo.ended.wait(), 5)
        assert proxy.connections == []
