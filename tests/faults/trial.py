"""One fault, made while tasks run, and judged afterwards."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

import asyncpg

from acceptance.deployment import Deployment
from acceptance.http_api import Api
from acceptance.processes import Process
from acceptance.watched import SECONDS
from faults.checker import violations
from faults.collect import collect
from faults.evidence import Evidence, StoredTask
from faults.load import Load
from faults.recipes import MIXED, Recipe, script_of
from roadworthy.testing.fault_proxy import FaultProxy

LEASE_SECONDS = 2.0
UNASKED_SECONDS = 2.5
"""After which a worker claims without a ticket, at the latest."""
TAKEOVER_SECONDS = 10.0
"""What a takeover may take beyond the lease."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a trial has to show for itself."""

    fault: str
    tasks: int
    affected: int
    seconds: list[float]
    """Until each of these tasks went on, rising; without those that were not in the fault's way."""
    repeated_calls: int
    """Model and tool calls that were made again, because their first answer was lost."""
    gave_up: int
    """Tasks that a person had to look at."""
    refused: int
    """Requests that clients had to repeat."""
    lease_seconds: float

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(slots=True)
class _Break:
    affected: list[str]
    for_clients: bool
    since: float


class Trial:
    """Starts a system, lets it work, and holds it to its promises."""

    def __init__(self, deployment: Deployment, fault: str) -> None:
        self.deployment = deployment
        self.fault = fault
        self.lease_seconds = LEASE_SECONDS
        self.woken: list[tuple[int, float]] = []
        self.outcome: Outcome | None = None
        self._proxies: list[FaultProxy] = []
        self._load: Load | None = None
        self._recipes: tuple[Recipe, ...] = MIXED
        self._breaks: list[_Break] = []

    @property
    def load(self) -> Load:
        assert self._load is not None, "the load was not started"
        return self._load

    # Building

    async def start(
        self, *, apis: int = 2, workers: int = 2, upkeeps: int = 1, recipes: tuple[Recipe, ...] = MIXED, **settings: str
    ) -> None:
        """A system, and the load that its clients are."""
        self._recipes = recipes
        deployment = self.deployment
        deployment.settings["ROADWORTHY_LEASE_SECONDS"] = str(self.lease_seconds)
        deployment.settings.update({f"ROADWORTHY_{name.upper()}": value for name, value in settings.items()})
        deployment.provider.control(script=script_of(recipes), latency="80ms", tokens_per_second=40)
        deployment.tools.seconds = 0.05
        await asyncio.gather(
            *(deployment.start_api() for _ in range(apis)),
            *(deployment.start_upkeep() for _ in range(upkeeps)),
            *([deployment.start_workers(workers)] if workers else []),
        )

    async def begin(self, *, per_second: float = 8, running: int = 4) -> None:
        """Let the clients come, and wait until so many tasks are in the middle of something."""
        self._load = Load(
            self.deployment.apis, self.deployment.database_url, per_second=per_second, recipes=self._recipes
        )
        self._load.start()
        await self.until_running(running)

    async def proxy(self, target: str) -> FaultProxy:
        proxy = FaultProxy(target)
        await proxy.start()
        self._proxies.append(proxy)
        return proxy

    async def proxied_database(self) -> tuple[FaultProxy, str]:
        """A way to the database that can be broken, and its URL."""
        url = urlsplit(self.deployment.database_url)
        query = parse_qs(url.query)
        proxy = await self.proxy(f"{query['host'][0]}/.s.PGSQL.{query['port'][0]}")
        return proxy, f"postgresql://{url.username}@{proxy.address}{url.path}"

    async def proxied_broker(self) -> tuple[FaultProxy, str]:
        proxy = await self.proxy(urlsplit(self.deployment.servers.redis_url).path)
        return proxy, f"redis://{proxy.address}"

    async def proxied_provider(self) -> tuple[FaultProxy, str]:
        proxy = await self.proxy(urlsplit(self.deployment.provider.url).netloc)
        return proxy, f"http://{proxy.address}"

    async def fetch(self, query: str, *values: object) -> list[Any]:
        """As soon as PostgreSQL answers."""
        deadline = time.monotonic() + SECONDS
        while True:
            try:
                return await self.deployment.fetch(query, *values)
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
                if time.monotonic() > deadline:
                    raise
                await asyncio.sleep(0.02)

    # Breaking

    async def running(self, worker: Process | None = None) -> list[str]:
        """Tasks that this worker, or any, is working at now."""
        query = "select t.id::text from tasks t join workers w on w.id = t.worker_id where t.status = 'running'"
        rows = await self.fetch(f"{query} and $1 in (0, w.process_id)", worker.pid if worker else 0)
        return [row[0] for row in rows]

    async def until_running(self, count: int, worker: Process | None = None) -> list[str]:
        """Those tasks, once there are so many."""
        deadline = time.monotonic() + SECONDS
        while len(running := await self.running(worker)) < count:
            assert time.monotonic() < deadline, f"only {running} are running"
            await asyncio.sleep(0.01)
        return running

    async def until_taken_over(self, task_ids: Sequence[str]) -> None:
        """Wait until each of them was claimed once more, or has ended."""
        attempts = "select id::text, attempt from tasks where id = any($1::text[]::uuid[]) and ended_at is null"
        before = {id_: attempt for id_, attempt in await self.fetch(attempts, task_ids)}
        deadline = time.monotonic() + SECONDS
        while any(before[id_] == attempt for id_, attempt in await self.fetch(attempts, list(before))):
            assert time.monotonic() < deadline, f"{task_ids} were not taken over"
            await asyncio.sleep(0.02)

    def broke(self, affected: Collection[str], *, for_clients: bool = False) -> None:
        """The fault begins now, for these tasks. Recovery is measured from here, or from when it is `over`, to the next
        thing that the store learns of them, or with `for_clients` that their clients are told."""
        self._breaks.append(_Break(list(affected), for_clients, time.time()))

    def over(self) -> None:
        """The fault ends now."""
        self._breaks[-1].since = time.time()

    def wake(self, process: Process) -> None:
        """Let a stopped process go on."""
        self.woken.append((process.pid, time.time()))
        process.send(signal.SIGCONT)

    def streams_at(self, api: Api) -> list[str]:
        """Tasks whose client reads at this server now."""
        return [task_id for task_id, stream in self.load.streams.items() if stream.api is api and not stream.done]

    async def time_goes_by(self, seconds: float) -> None:
        """For faults whose length is what matters about them."""
        await asyncio.sleep(seconds)

    async def until_tasks_end(self, count: int) -> None:
        """Wait until so many more tasks came to their end, in the store."""
        deadline = time.monotonic() + SECONDS
        before = await self._ended()
        while await self._ended() < before + count:
            assert time.monotonic() < deadline, f"not {count} more tasks ended"
            await asyncio.sleep(0.02)

    async def _ended(self) -> int:
        return (await self.fetch("select count(*) from tasks where ended_at is not null"))[0][0]

    async def until_refused(self, times: int) -> None:
        """Wait until clients were refused so many more times."""
        deadline, wanted = time.monotonic() + SECONDS, self.load.refused + times
        while self.load.refused < wanted:
            assert time.monotonic() < deadline, "clients are not refused"
            await asyncio.sleep(0.02)

    async def until_none(self, query: str) -> None:
        """Wait until the query finds nothing."""
        deadline = time.monotonic() + SECONDS
        while await self.fetch(query):
            assert time.monotonic() < deadline, f"still there: {query}"
            await asyncio.sleep(0.02)

    # Judging

    async def judge(self, *, within: float | None = None) -> Evidence:
        """Wait for every end and check all promises; `within` bounds the seconds until the last affected task goes
        on."""
        await self.load.stop_asking()
        await self.load.all_done()
        evidence = await collect(self.deployment, self.load, self.woken)
        found = violations(evidence)
        times = self._recovery(evidence)
        self.outcome = Outcome(
            fault=self.fault,
            tasks=len(evidence.accepted),
            affected=sum(len(fault.affected) for fault in self._breaks),
            seconds=sorted(round(seconds, 2) for seconds in times),
            repeated_calls=_repeated(evidence),
            gave_up=sum(task.status == "cancelled" for task in evidence.stored.values()),
            refused=self.load.refused,
            lease_seconds=self.lease_seconds,
        )
        assert not found, f"{len(found)} contradictions:\n" + "\n".join(found[:20])
        if within is not None:
            assert not times or max(times) <= within, f"the last affected task went on after {max(times):.1f} s"
        return evidence

    def _recovery(self, evidence: Evidence) -> list[float]:
        """Seconds until each affected task went on."""
        times: list[float] = []
        for fault in self._breaks:
            for task_id in fault.affected:
                signs = self._told(task_id) if fault.for_clients else _kept(evidence.stored[task_id])
                if after := [at - fault.since for at in signs if at >= fault.since]:
                    times.append(min(after))
        return times

    def _told(self, task_id: str) -> list[float]:
        stream = self.load.streams.get(task_id)
        return [event.at for event in stream.seen] if stream else []

    async def close(self) -> None:
        if self._load is not None:
            await self._load.close()
        for proxy in self._proxies:
            proxy.heal()

    async def stop_proxies(self) -> None:
        """After the processes that use them."""
        for proxy in self._proxies:
            await proxy.stop()


def _kept(task: StoredTask) -> list[float]:
    """When the store learnt something of the task, other than that it waits for a worker."""
    went_on = [change.at for change in task.changes if change.status not in ("queued", "blocked")]
    return [*went_on, *(entry.at for entry in task.entries)]


def _repeated(evidence: Evidence) -> int:
    models = [(call.message, call.turn) for call in evidence.model_calls]
    tools = [(call.task_id, call.tool, call.item) for call in evidence.tool_calls]
    return len(models) - len(set(models)) + len(tools) - len(set(tools))


def processes_named(deployment: Deployment, name: str) -> list[Process]:
    return [process for process in deployment.processes if process.name.startswith(name) and process.status is None]
