"""A whole system of processes over one database."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any

import asyncpg

from roadworthy.testing.simulated_provider import SimulatedProvider

from .gates import gate
from .http_api import Api
from .processes import Launcher, Process
from .servers import Servers
from .tool_desk import ToolDesk

TARGET = f"{Path(__file__).with_name('services.py')}:services"
SHORT_LEASE = "1.5"
"""Seconds, for workers whose tasks shall be taken over soon."""


class Deployment:
    """Processes that end with the test, and what they talk to."""

    def __init__(
        self, launcher: Launcher, servers: Servers, folder: Path, database_url: str, provider: SimulatedProvider
    ) -> None:
        self.servers = servers
        self.provider = provider
        self.tools = ToolDesk()
        self.folder = folder
        self.database_url = database_url
        self.targets = [TARGET]
        """What servers and workers are started with."""
        self.processes: list[Process] = []
        self.apis: list[Api] = []
        self.settings = {
            "ROADWORTHY_DATABASE_URL": database_url,
            "ROADWORTHY_REDIS_URL": servers.redis_url,
            "ROADWORTHY_LEASE_SECONDS": "5",
            "ROADWORTHY_DRAIN_SECONDS": "10",
            "ACCEPTANCE_PROVIDER": provider.url,
            "ACCEPTANCE_TOOL_DESK": str(folder / "desk"),
        }
        self._launcher = launcher

    @property
    def api(self) -> Api:
        return self.apis[0]

    @property
    def workers(self) -> list[Process]:
        return [process for process in self.processes if process.name.startswith("worker")]

    async def start(self, name: str, *arguments: str, **settings: str) -> Process:
        """Run a command; returns before it is ready."""
        number = sum(process.name.startswith(name) for process in self.processes) + 1
        changed = {f"ROADWORTHY_{key.upper()}": value for key, value in settings.items()}
        process = await self._launcher.start(
            f"{name}-{number}", [name, *arguments], {**self.settings, **changed}, self.folder
        )
        self.processes.append(process)
        return process

    async def start_workers(self, count: int = 1, **settings: str) -> list[Process]:
        workers = [await self.start("worker", *self.targets, "--health-port", "0", **settings) for _ in range(count)]
        await asyncio.gather(*(worker.until_logged("worker_started") for worker in workers))
        return workers

    async def start_worker(self, **settings: str) -> Process:
        return (await self.start_workers(1, **settings))[0]

    async def start_api(self, *, command: str = "api", **settings: str) -> tuple[Process, Api]:
        process = await self.start(command, *self.targets, "--port", "0", **settings)
        return process, await self.api_of(process)

    async def api_of(self, process: Process) -> Api:
        line = await process.until_output(" on http://")
        found = re.search(r"http://\S+", line)
        assert found is not None, line
        self.apis.append(Api(found[0]))
        return self.apis[-1]

    async def start_upkeep(self, **settings: str) -> Process:
        upkeep = await self.start("upkeep", **settings)
        await upkeep.until_logged("upkeep_started")
        return upkeep

    async def use_empty_database(self) -> None:
        """Instead of one that was brought to this release."""
        await self.servers.drop_database(self.database_url)
        self.database_url = await self.servers.new_database(migrated=False)
        self.settings["ROADWORTHY_DATABASE_URL"] = self.database_url

    async def fetch(self, query: str, *values: object) -> list[Any]:
        connection = await asyncpg.connect(self.database_url)
        try:
            return await connection.fetch(query, *values)
        finally:
            await connection.close()

    async def worker_of(self, task_id: str) -> Process:
        """The worker that holds the task."""
        query = "select w.process_id from tasks t join workers w on w.id = t.worker_id where t.id = $1::text::uuid"
        rows = await self.fetch(query, task_id)
        return next(process for process in self.processes if rows and process.pid == rows[0][0])

    async def failures(self, task_id: str) -> int:
        return (await self.fetch("select failures from tasks where id = $1::text::uuid", task_id))[0][0]

    async def journal(self, task_id: str) -> list[tuple[str, int]]:
        """(key, attempt) of each entry, in order; ids of calls, which are drawn, are left out of the keys."""
        query = "select key, attempt from journal_entries where task_id = $1::text::uuid order by sequence"
        return [(row[0].partition(":")[0], row[1]) for row in await self.fetch(query, task_id)]

    def gate(self, *, entry: str | None = None, status: str | None = None, task_id: str = "%") -> Any:
        return gate(self.database_url, entry=entry, status=status, task_id=task_id)

    def release_everything(self) -> None:
        """Let everything go on that was held."""
        self.provider.control(hold=False)
        self.tools.release()

    async def open(self) -> None:
        await self.tools.start(self.folder / "desk")

    async def close(self) -> None:
        """End everything; fails if a process does not end when it is asked, or ends badly."""
        self.release_everything()
        for api in self.apis:
            await api.close()
        running = [process for process in self.processes if process.status is None]
        try:
            codes = await asyncio.gather(*(process.terminate() for process in running))
        finally:
            for process in running:
                await process.kill()
            await self.tools.stop()
        assert not any(codes), {process.name: process.status for process in running}
        crashed = [entry for process in self.processes for entry in process.log if "exception" in entry]
        unexpected = [entry for entry in crashed if entry["event"] != "attempt_ended"]
        assert not unexpected, unexpected
