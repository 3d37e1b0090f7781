"""Start and stop a simulated provider."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import signal
import sys
from collections.abc import Sequence
from typing import Any

import uvloop

from roadworthy.testing.simulated_provider.errors import PortTaken
from roadworthy.testing.simulated_provider.http_connection import Connection
from roadworthy.testing.simulated_provider.json_values import JsonObject
from roadworthy.testing.simulated_provider.routes import Routes
from roadworthy.testing.simulated_provider.settings import ProviderSettings
from roadworthy.testing.simulated_provider.state import ProviderState
from roadworthy.testing.simulated_provider.statistics import RequestRecord, Wanted

_BACKLOG = 4096


class SimulatedProvider:
    """A running provider; made by `start`. Use it from the event loop that it was started in."""

    def __init__(
        self,
        state: ProviderState,
        routes: Routes,
        server: asyncio.AbstractServer,
        connections: set[Connection],
        host: str,
        port: int,
    ) -> None:
        self._state = state
        self._routes = routes
        self._server = server
        self._connections = connections
        self.port = port
        self.url = f"http://{host}:{port}"
        """For the Anthropic client's `base_url`; the OpenAI client's is `openai_url`."""
        self.openai_url = f"{self.url}/v1"

    @property
    def requests(self) -> Sequence[RequestRecord]:
        """The latest 100,000 requests since the start or the last reset, oldest first."""
        return list(self._state.statistics.records)

    @property
    def stats(self) -> JsonObject:
        """The counters, as `GET /stats` shows them."""
        return self._state.statistics.snapshot()

    def control(self, **changes: Any) -> int:
        """Change the setup as `POST /control` does; returns how many held answers were released.

        latency, tokens_per_second, tokens, stamp_tokens, seed, text_by, script, faults, retry_after and hang_seconds
        replace the setting of that name, from the next request on. `hold=True` holds all answers that come (or an
        object with model, turn, contains, after_tokens), `hold_after_tokens=k` holds streams after k tokens,
        `hold=False` releases all and holds no more, `release=n` releases the n oldest and keeps holding.
        `restore=True` goes back to the settings of the start and holds no more.

        Raises InvalidSetting, and then changes nothing.
        """
        return self._state.control(changes)

    def reset(self) -> None:
        """Set all counters and the request numbers to 0, as `POST /reset` does; the setup stays."""
        self._state.reset()

    async def wait_for(
        self,
        *,
        requests_at_least: int = 0,
        held_at_least: int = 0,
        ended_at_least: int = 0,
        tokens_at_least: int = 0,
        inflight_at_most: int | None = None,
        seconds: float = 20.0,
    ) -> JsonObject:
        """Wait until the counters are so and return them. Raises TimeoutError after `seconds`."""
        wanted = Wanted(requests_at_least, held_at_least, ended_at_least, tokens_at_least, inflight_at_most)
        if not await self._state.statistics.wait_for(wanted, seconds):
            raise TimeoutError(f"not reached within {seconds:g} s: {wanted}; it is {self.stats}")
        return self.stats

    async def stop(self) -> None:
        """Stop listening and end every connection; answers under way are cut. Does nothing the second time."""
        self._server.close()
        await self._routes.stop()
        connections = list(self._connections)
        for connection in connections:
            connection.reset()
        await asyncio.gather(*(connection.lost for connection in connections))
        await self._server.wait_closed()


async def start(settings: ProviderSettings, host: str = "127.0.0.1", port: int = 0) -> SimulatedProvider:
    """Start a provider in the running event loop; port 0 takes a free one. Raises PortTaken."""
    state = ProviderState(settings)
    routes = Routes(state)
    connections: set[Connection] = set()
    try:
        server = await asyncio.get_running_loop().create_server(
            lambda: Connection(routes.answer, connections), host, port, backlog=_BACKLOG
        )
    except (OSError, OverflowError) as error:
        taken = isinstance(error, OSError) and error.errno == errno.EADDRINUSE
        why = "the port is taken" if taken else str(error)
        raise PortTaken(f"cannot listen on {host}:{port}: {why}; choose another port, or 0 for any free one") from error
    return SimulatedProvider(state, routes, server, connections, host, server.sockets[0].getsockname()[1])


def run(settings: ProviderSettings, port: int = 0, host: str = "127.0.0.1") -> None:
    """Run a provider until SIGINT or SIGTERM. Raises PortTaken.

    Prints one line when it is ready: `simulated provider on http://127.0.0.1:PORT`.
    """
    uvloop.run(_serve(settings, host, port))


async def _serve(settings: ProviderSettings, host: str, port: int) -> None:
    provider = await start(settings, host, port)
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopping.set)
    with contextlib.suppress(BrokenPipeError):
        sys.stdout.write(f"simulated provider on {provider.url}\n")
        sys.stdout.flush()
    await stopping.wait()
    await provider.stop()
