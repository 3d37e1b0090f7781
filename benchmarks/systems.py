"""What is measured: Roadworthy in its processes, or the bare reference, each behind one URL."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Literal

from benchmarks.http_client import HttpClient
from benchmarks.measure import Processes
from benchmarks.provider_client import PROVIDER_URL
from benchmarks.server_process import server_process
from benchmarks.surroundings import Surroundings
from benchmarks.task_client import TaskClient

Kind = Literal["bare", "function", "agent"]
_TARGETS = {"function": "benchmarks.functions:services", "agent": "benchmarks.agents:services"}
# Not the installed script: this runs the checkout, whatever was installed before.
_ROADWORTHY = ("-c", "from roadworthy.app.command_line import main; main()")


@dataclass(frozen=True, slots=True)
class System:
    """A running system: how to speak to it, and all processes that work for it."""

    kind: Kind
    tasks: TaskClient
    own: Processes
    """API, worker and upkeep, without the database and the broker."""
    all: Processes


@asynccontextmanager
async def running_system(
    kind: Kind, around: Surroundings, concurrency: int = 50, **settings: str
) -> AsyncGenerator[System]:
    """Ready to take tasks; `concurrency` is how many tasks the worker of Roadworthy may run at once, `settings` are
    others of its settings."""
    environment = {
        **os.environ,
        PROVIDER_URL: f"{around.provider_url}/v1",
        "ROADWORTHY_DATABASE_URL": around.database_url,
        "ROADWORTHY_REDIS_URL": around.redis_url,
        "ROADWORTHY_WORKER_CONCURRENCY": str(concurrency),
        "ROADWORTHY_LOG_LEVEL": "warning",
        **{f"ROADWORTHY_{name.upper()}": value for name, value in settings.items()},
    }
    if kind == "bare":
        api = ("-m", "benchmarks.reference.api")
        others = {"worker": ("-m", "benchmarks.reference.worker")}
    else:
        api = (*_ROADWORTHY, "api", "--port", "0", _TARGETS[kind])
        worker = (*_ROADWORTHY, "worker", "--health-port", "0", _TARGETS[kind])
        others = {"worker": worker, "upkeep": (*_ROADWORTHY, "upkeep")}
    own: dict[str, int] = {}
    async with AsyncExitStack() as stack:
        # The API last, because it says when it is ready: the others start meanwhile.
        for name, arguments in (*others.items(), ("api", api)):
            log, announces = around.folder / f"{kind}-{name}.log", "http://127.0.0.1:" if name == "api" else None
            process = server_process(f"{kind} {name}", arguments, environment, log, announces=announces)
            own[name], line = await stack.enter_async_context(process)
        client = HttpClient(line.rpartition(" on ")[2])
        stack.callback(client.close)
        yield System(kind, TaskClient(client), own, {**own, **around.processes})
