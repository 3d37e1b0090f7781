"""Names that nobody answers for hold up no other lookup of the process."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from roadworthy.domain.errors import RequestNotSent
from roadworthy.tools import http
from roadworthy.tools.http import names


@pytest.fixture
def silent(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Semaphore]:
    """Name servers of `*.silent.example` say nothing until the test ends, or long; each lookup of one is counted."""
    asked, end, threads = threading.Semaphore(0), threading.Event(), list[threading.Thread]()
    real = socket.getaddrinfo

    def getaddrinfo(host: Any, *args: Any, **more: Any) -> Any:
        if not str(host.decode() if isinstance(host, bytes) else host).endswith(".silent.example"):
            return real(host, *args, **more)
        threads.append(threading.current_thread())
        asked.release()
        end.wait(20)
        raise socket.gaierror("nobody answers")

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    yield asked
    end.set()
    for thread in threads:
        thread.join(5)


async def test_silent_name_servers_hold_up_nobody_else(silent: threading.Semaphore) -> None:
    client = http.Client(["*"], seconds=0.2)
    asked = [client.get(f"https://a{n}.silent.example/") for n in range(50)]
    for each in await asyncio.gather(*asked, return_exceptions=True):
        assert isinstance(each, RequestNotSent) and "no connection within 0.2 s" in each.message
    async with asyncio.timeout(10):
        assert await asyncio.get_running_loop().getaddrinfo("localhost", 80)
        assert set(await names.resolve("localhost", 80)) <= {"127.0.0.1", "::1"}


async def test_a_lookup_counts_until_it_is_back_and_too_many_are_an_error(
    silent: threading.Semaphore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(names, "MOST_AT_ONCE", 2)
    client = http.Client(["*"], seconds=0.2)
    for name in ("a", "b"):
        with pytest.raises(RequestNotSent, match="within"):
            await client.get(f"https://{name}.silent.example/")
    with pytest.raises(RequestNotSent, match=r"2 names are being looked up already.*nothing was sent"):
        await client.get("https://c.silent.example/")
    assert silent.acquire(timeout=0) and silent.acquire(timeout=0) and not silent.acquire(timeout=0)


async def test_what_came_back_counts_no_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(names, "MOST_AT_ONCE", 1)
    for _ in range(3):
        assert await names.resolve("localhost", 80)
        with pytest.raises(OSError):  # no name at all, so no server is asked
            await names.resolve("a" * 64, 80)
