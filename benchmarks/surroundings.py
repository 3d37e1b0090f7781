"""What every system needs: PostgreSQL, Valkey and a provider, started for the length of the run."""

from __future__ import annotations

import os
import tempfile
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import orjson

from benchmarks.http_client import HttpClient
from benchmarks.measure import Processes
from benchmarks.server_process import server_process
from roadworthy.adapters.embedded import EmbeddedServers


@dataclass(frozen=True, slots=True)
class Surroundings:
    """The same for every system of one run."""

    folder: Path
    database_url: str
    redis_url: str
    processes: Processes
    """PostgreSQL and Valkey; the provider stands for another company's computers."""
    provider_url: str
    full: bool
    """Whether there is time for more tasks and repetitions."""
    say: Callable[[str], None]
    """Tells the person who waits what is going on."""

    async def most_in_flight(self) -> int:
        """The largest number of requests that the provider had at once since `forget_in_flight`."""
        return orjson.loads(await self._ask_provider("GET", "/stats"))["max_inflight"]

    async def forget_in_flight(self) -> None:
        await self._ask_provider("POST", "/reset")

    async def _ask_provider(self, method: str, path: str) -> bytes:
        client = HttpClient(self.provider_url)
        try:
            answer = await (client.get(path) if method == "GET" else client.post(path, b"{}"))
        finally:
            client.close()
        return answer.body


@asynccontextmanager
async def surroundings(full: bool, say: Callable[[str], None]) -> AsyncGenerator[Surroundings]:
    with tempfile.TemporaryDirectory(prefix="roadworthy-bench-") as name:
        folder = Path(name)
        provider = ("-m", "roadworthy.testing.simulated_provider")
        log = folder / "provider.log"
        async with (
            EmbeddedServers(folder / "data") as servers,
            server_process("provider", provider, os.environ, log, announces="http://") as (_, line),
        ):
            yield Surroundings(
                folder=folder,
                database_url=servers.database_url,
                redis_url=servers.redis_url,
                processes=servers.pids,
                provider_url=line.rpartition(" on ")[2],
                full=full,
                say=say,
            )
