"""Looks up the names of hosts that a model came up with, in threads that nothing else needs."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Sequence
from concurrent.futures import Future

MOST_AT_ONCE = 200
"""In one process. A lookup can't be ended: it counts until its thread is back, minutes after its request gave up where
a name server says nothing. The event loop's own threads are a few that every other lookup waits for."""

_lock = threading.Lock()
_running = 0


async def resolve(host: str, port: int) -> Sequence[str]:
    """The addresses of a name as the machine knows them. OSError where it knows none, or too many are being looked
    up."""
    future: Future[list[str]] = Future()
    future.set_running_or_notify_cancel()
    _enter()
    # Not of a pool: the end of the process would wait for that.
    thread = threading.Thread(target=_look_up, args=(host, port, future), name="name-lookup", daemon=True)
    try:
        thread.start()
    except RuntimeError as error:
        _leave()
        raise OSError(f"no thread to look up the name: {error}") from None
    return await asyncio.wrap_future(future)


def _look_up(host: str, port: int, future: Future[list[str]]) -> None:
    try:
        # As bytes: text would be read as an international name once more.
        found = socket.getaddrinfo(host.encode(), port, type=socket.SOCK_STREAM)
        addresses = list(dict.fromkeys(str(address[0]) for *_, address in found))
    except BaseException as error:
        _leave()
        future.set_exception(error)
    else:
        _leave()
        future.set_result(addresses)


def _enter() -> None:
    global _running
    with _lock:
        if _running >= MOST_AT_ONCE:
            raise OSError(
                f"{MOST_AT_ONCE} names are being looked up already, and their name servers say nothing: try again later"
            )
        _running += 1


def _leave() -> None:
    global _running
    with _lock:
        _running -= 1
