"""A supervisor under test, and its workers."""

from __future__ import annotations

import asyncio
import os
from datetime import datetime
from pathlib import Path
from typing import Any

import aiohttp

from .deployment import Deployment
from .processes import Process
from .watched import SECONDS

SMALL = f"{Path(__file__).with_name('small_services.py')}:service"


class Supervision:
    """`roadworthy worker --min … --max …` over a deployment's stores, with an API server and upkeep."""

    def __init__(self, deployment: Deployment, health_port: int) -> None:
        self.deployment = deployment
        self.api = deployment.api
        self.desk = deployment.tools
        self.health_port = health_port
        self.target = SMALL

    async def start(self, minimum: int, maximum: int, *, target: str = SMALL, **settings: str) -> Process:
        """Returns when the first workers are ready."""
        bounds = ("--min", str(minimum), "--max", str(maximum))
        supervisor = await self.deployment.start(
            "worker", target, *bounds, "--health-port", str(self.health_port), **settings
        )
        await supervisor.until_logged("supervisor_started")
        await self.ready(supervisor, minimum)
        return supervisor

    async def ready(self, supervisor: Process, count: int) -> None:
        """Wait until so many of its workers have been ready in all."""
        await supervisor.until(
            lambda: len(supervisor.logged("worker_ready")) >= count or supervisor.status is not None,
            f"{count} workers of {supervisor.name} are ready",
        )
        assert supervisor.status is None, supervisor.present_state()

    async def start_plain_worker(self, **settings: str) -> Process:
        """One without a supervisor."""
        worker = await self.deployment.start("worker", SMALL, "--health-port", "0", **settings)
        await worker.until_logged("worker_started")
        return worker

    async def submit(self, *tools: str) -> dict[str, Any]:
        return await self.api.submit("small", " ".join(tools))

    async def ended(self, *tasks: dict[str, Any]) -> list[dict[str, Any]]:
        return await asyncio.gather(*(self.api.ended(task["id"]) for task in tasks))


def spawned(supervisor: Process) -> list[int]:
    """The process ids of all workers that it ever started."""
    return [entry["pid"] for entry in supervisor.logged("worker_spawned")]


def seconds_between(earlier: dict[str, Any], later: dict[str, Any]) -> float:
    """Of two log entries."""
    moments = [datetime.fromisoformat(entry["timestamp"]) for entry in (earlier, later)]
    return (moments[1] - moments[0]).total_seconds()


async def gone(pid: int) -> None:
    """Wait until the process is."""
    try:
        watch = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    loop, ended = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(watch, ended.set)
    try:
        await asyncio.wait_for(ended.wait(), SECONDS)
    finally:
        loop.remove_reader(watch)
        os.close(watch)


async def asked(port: int, path: str, seconds: float = 5) -> tuple[int, Any]:
    """Status and body of what the health port answers."""
    timeout = aiohttp.ClientTimeout(total=seconds)
    async with aiohttp.ClientSession(timeout=timeout) as http, http.get(f"http://127.0.0.1:{port}{path}") as answer:
        return answer.status, await (answer.json(content_type=None) if path != "/metrics" else answer.text())
