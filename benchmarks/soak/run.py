"""One soak, from the first task to the verdict."""

from __future__ import annotations

import asyncio
import os
import random
import resource
import tempfile
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
import orjson
import psutil
import redis.asyncio as redis

from benchmarks.measure import cpu_seconds
from benchmarks.server_process import REPOSITORY
from benchmarks.soak.clients import Clients
from benchmarks.soak.killable import Killable
from benchmarks.soak.kinds import CALLS
from benchmarks.soak.samples import SIZES, Sample, Trend, server_values, trend
from benchmarks.soak.verdict import broken_promises
from roadworthy.adapters.embedded import EmbeddedServers
from roadworthy.adapters.postgres import migrate

FILE = REPOSITORY / "build" / "soak.json"
MEMORY_RATIO = 1.1
WORKER_KILLS, API_KILLS, UPKEEP_KILLS = 20, 4, 4
"""Spread over the whole run, at moments that nobody knows before."""
SAMPLE_SECONDS = 1.0
SAY_SECONDS = 15.0
MOST_SECONDS_A_TASK = 0.2
"""A soak that takes longer stands still."""
SETTLE_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class System:
    """`steady` are never killed; `killed` are."""

    steady: Mapping[str, Killable]
    killed: Mapping[str, Killable]
    servers: EmbeddedServers

    @property
    def all(self) -> list[Killable]:
        return [*self.steady.values(), *self.killed.values()]


async def run_soak(tasks: int, memory_ratio: float) -> int:
    """0 if every promise was kept and memory stayed flat."""
    _, most_files = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most_files, most_files))
    with tempfile.TemporaryDirectory(prefix="soak-", dir="/tmp") as name:
        folder = Path(name)
        calls = folder / "calls"
        calls.touch()
        async with _system(folder, calls) as system:
            return await _Soak(system, tasks, calls, memory_ratio).run()


@asynccontextmanager
async def _system(folder: Path, calls: Path) -> AsyncGenerator[System]:
    async with EmbeddedServers(folder / "data") as servers:
        await migrate(servers.database_url)
        environment = {
            **os.environ,
            CALLS: str(calls),
            "ROADWORTHY_DATABASE_URL": servers.database_url,
            "ROADWORTHY_REDIS_URL": servers.redis_url,
            "ROADWORTHY_LEASE_SECONDS": "5",
            "ROADWORTHY_DRAIN_SECONDS": "10",
            "ROADWORTHY_MAX_RETRIES": "20",
            "ROADWORTHY_LOG_LEVEL": "warning",
            "ROADWORTHY_LOG_FORMAT": "json",
        }
        target = "benchmarks.soak.services:services"
        commands = {
            "api": ("api", "--port", "0", target),
            "worker": ("worker", "--health-port", "0", target),
            "upkeep": ("upkeep",),
        }
        steady = {name: Killable(name, command, environment, folder) for name, command in commands.items()}
        killed = {name: Killable(f"{name}-killed", words, environment, folder) for name, words in commands.items()}
        system = System(steady, killed, servers)
        try:
            for process in system.all:
                await process.start()
            yield system
        finally:
            await asyncio.gather(*(process.stop() for process in system.all))


class _Soak:
    def __init__(self, system: System, tasks: int, calls: Path, memory_ratio: float) -> None:
        self._system = system
        self._tasks = tasks
        self._calls = calls
        self._memory_ratio = memory_ratio
        self._clients = Clients([system.steady["api"].url, system.killed["api"].url], tasks)
        self._samples: list[Sample] = []
        self._given_up = 0
        self._killed_servers: list[str] = []
        self._began = time.monotonic()

    async def run(self) -> int:
        asides = [asyncio.create_task(each) for each in (self._watch(), self._kill_again_and_again(), self._say())]
        try:
            async with asyncio.timeout(60 + self._tasks * MOST_SECONDS_A_TASK):
                await self._clients.submit_all()
                await self._until_all_ended()
            for each in asides:
                if each.done():
                    each.result()
        finally:
            for each in asides:
                each.cancel()
            await asyncio.gather(*asides, return_exceptions=True)
            self._clients.close()
        return await self._judge()

    @property
    def _ended(self) -> int:
        return self._samples[-1].ended if self._samples else 0

    # Looking

    async def _watch(self) -> None:
        """Also gives up, as a person would, what waits because nobody can know whether its call was made."""
        while True:
            try:
                async with self._servers() as (connection, valkey):
                    while True:
                        await self._look(connection, valkey)
                        await asyncio.sleep(SAMPLE_SECONDS)
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, redis.RedisError):
                await asyncio.sleep(SAMPLE_SECONDS)  # it has just been killed

    async def _look(self, connection: Any, valkey: Any) -> None:
        values = await server_values(connection, valkey)
        for name, process in self._system.steady.items():
            assert not process.ended_by_itself, f"{name} ended by itself: {process.last_words()}"
            values[f"{name}_mb"] = psutil.Process(process.pid).memory_info().rss / 1e6
        self._samples.append(Sample(int(values["ended"]), values))
        await self._clients.make_room(int(values["open"]))
        for (task_id,) in await connection.fetch("select id::text from tasks where status = 'waiting'"):
            if task_id in self._clients.accepted.kinds:
                await self._clients.cancel(task_id)
                self._given_up += 1

    @asynccontextmanager
    async def _servers(self) -> AsyncGenerator[tuple[Any, Any]]:
        connection = await asyncpg.connect(self._system.servers.database_url, timeout=10, command_timeout=60)
        valkey = redis.from_url(self._system.servers.redis_url)
        try:
            yield connection, valkey
        finally:
            connection.terminate()
            await valkey.aclose()

    async def _say(self) -> None:
        while True:
            await asyncio.sleep(SAY_SECONDS)
            if self._samples:
                values = self._samples[-1].values
                memory = ", ".join(f"{name} {values[f'{name}_mb']:.0f} MB" for name in self._system.steady)
                kills = sum(process.kills for process in self._system.all)
                seconds = time.monotonic() - self._began
                print(
                    f"{seconds:4.0f} s  {self._ended:,} of {self._tasks:,} ended, {self._ended / seconds:.0f}/s, "
                    f"{kills} kills; {memory}; {values['keys']:.0f} keys, {values['connections']:.0f} connections",
                    flush=True,
                )

    # Killing

    async def _kill_again_and_again(self) -> None:
        chance = random.Random(self._tasks)
        plan = [(chance.uniform(0.02, 0.97), name) for name, count in self._kills() for _ in range(count)]
        starting: dict[str, asyncio.Task[None]] = {}
        for share, name in sorted([*plan, (0.4, "valkey"), (0.6, "postgres")]):
            while self._ended < share * self._tasks:
                await asyncio.sleep(0.05 + chance.random() / 10)
            if name not in self._system.killed:
                psutil.Process(self._system.servers.pids[name]).kill()
                self._killed_servers.append(name)
                continue
            if name in starting:
                await starting[name]
            starting[name] = asyncio.create_task(self._system.killed[name].kill())
        await asyncio.gather(*starting.values())

    @staticmethod
    def _kills() -> list[tuple[str, int]]:
        return [("worker", WORKER_KILLS), ("api", API_KILLS), ("upkeep", UPKEEP_KILLS)]

    # The end

    async def _until_all_ended(self) -> None:
        while True:
            values = self._samples[-1].values
            if values["ended"] >= self._tasks and not values["open"]:
                break
            await asyncio.sleep(SAMPLE_SECONDS)

    async def _judge(self) -> int:
        seconds = time.monotonic() - self._began
        async with self._servers() as (connection, valkey):
            await self._give_up_the_last(connection)
            # Tickets go when the next worker looks, within two seconds or so.
            await self._until_no_ticket_is_left(valkey)
            accepted = self._clients.accepted
            problems = [what async for what in broken_promises(connection, valkey, accepted, self._calls)]
            sizes = [tuple(row) for row in await connection.fetch(SIZES)]
            statuses = dict(await connection.fetch("select status, count(*) from tasks group by 1"))
        names = [*(f"{name}_mb" for name in self._system.steady), "keys", "valkey_mb", "connections"]
        trends = {name: trend(self._samples, name, self._tasks) for name in names}
        problems += [
            f"{name} grew from {found.first:.1f} to {found.last:.1f} MB"
            for name, found in trends.items()
            if name.endswith("_mb") and name != "valkey_mb" and found.ratio > self._memory_ratio
        ]
        report = {
            "tasks": self._tasks,
            "seconds": seconds,
            "tasks_per_second": self._tasks / seconds,
            "kills": {process.name: process.kills for process in self._system.killed.values()},
            "killed_servers": self._killed_servers,
            "statuses": statuses,
            "given_up": self._given_up,
            "followed": accepted.followed,
            "requests_repeated": accepted.repeated,
            "cpu_seconds": {name: cpu_seconds(process.pid) for name, process in self._system.steady.items()},
            "trends": {name: found.as_json() for name, found in trends.items()},
            "tables": [{"name": n, "mb": b / 1e6, "live": live, "dead": dead} for n, b, live, dead in sizes],
            "broken_promises": problems,
        }
        FILE.parent.mkdir(exist_ok=True)
        FILE.write_bytes(orjson.dumps(report, option=orjson.OPT_INDENT_2))
        self._print(report, trends)
        return 1 if problems else 0

    async def _give_up_the_last(self, connection: Any) -> None:
        for (task_id,) in await connection.fetch("select id::text from tasks where status = 'waiting'"):
            await self._clients.cancel(task_id)
            self._given_up += 1

    async def _until_no_ticket_is_left(self, valkey: Any) -> None:
        deadline = time.monotonic() + SETTLE_SECONDS
        while time.monotonic() < deadline and [key async for key in valkey.scan_iter("roadworthy:tickets:*")]:
            await asyncio.sleep(0.2)

    def _print(self, report: dict[str, Any], trends: dict[str, Trend]) -> None:
        print(
            f"\n{report['tasks']:,} tasks in {report['seconds']:.0f} s ({report['tasks_per_second']:.0f}/s): "
            f"{report['statuses']}; {report['given_up']} given up after a call whose fate nobody knows; "
            f"{report['requests_repeated']} requests repeated; kills {report['kills']} and {report['killed_servers']}"
        )
        for name, found in trends.items():
            print(
                f"{name:14} {found.first:8.1f} → {found.last:8.1f}  x {found.ratio:.3f}  {found.slope:+.4f}/1000 tasks"
            )
        for table in report["tables"][:6]:
            print(f"{table['name']:18} {table['mb']:8.1f} MB, {table['live']} rows, {table['dead']} dead")
        for what in report["broken_promises"]:
            print(f"BROKEN: {what}")
        print(f"{'not ' if report['broken_promises'] else ''}all promises kept; see {FILE.relative_to(REPOSITORY)}")
