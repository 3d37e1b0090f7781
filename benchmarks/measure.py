"""CPU time and memory of processes, and the quantiles of what was seen."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field

import psutil

Processes = Mapping[str, int]
"""Name to process id; children are counted with it."""
MEMORY_EVERY_SECONDS = 0.1


def quantile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least `share` of all values do not pass. ValueError without values."""
    if not values:
        raise ValueError("no values were measured")
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def cpu_seconds(process_id: int) -> float:
    """User and system time of a process and its children, also of those that have ended."""
    total = 0.0
    for process in _family(process_id):
        with suppress(psutil.Error):
            times = process.cpu_times()
            total += times.user + times.system + times.children_user + times.children_system
    return total


def resident_bytes(process_ids: Sequence[int]) -> int:
    total = 0
    for process_id in process_ids:
        for process in _family(process_id):
            with suppress(psutil.Error):
                total += process.memory_info().rss
    return total


@dataclass(slots=True)
class Spent:
    """What was spent between the beginning and the end of `spending`."""

    seconds: float = 0.0
    cpu: dict[str, float] = field(default_factory=dict[str, float])

    @property
    def cpu_seconds(self) -> float:
        return sum(self.cpu.values())

    def __str__(self) -> str:
        return ", ".join(f"{name} {seconds:.2f} s" for name, seconds in self.cpu.items())


@contextmanager
def spending(processes: Processes) -> Iterator[Spent]:
    """Wall seconds, and CPU seconds by process."""
    spent = Spent()
    before = {name: cpu_seconds(process_id) for name, process_id in processes.items()}
    began = time.monotonic()
    yield spent
    spent.seconds = time.monotonic() - began
    spent.cpu = {name: cpu_seconds(process_id) - before[name] for name, process_id in processes.items()}


@dataclass(slots=True)
class Growth:
    """Resident memory above what it was at the beginning of `memory_growth`, at its highest."""

    before: int
    highest: int

    @property
    def kilobytes(self) -> float:
        return (self.highest - self.before) / 1000


@asynccontextmanager
async def memory_growth(process_ids: Sequence[int]) -> AsyncGenerator[Growth]:
    """Looks every 100 ms while the context is open."""
    before = resident_bytes(process_ids)
    growth = Growth(before, before)

    async def watch() -> None:
        while True:
            await asyncio.sleep(MEMORY_EVERY_SECONDS)
            growth.highest = max(growth.highest, resident_bytes(process_ids))

    watching = asyncio.create_task(watch())
    try:
        yield growth
    finally:
        watching.cancel()
        growth.highest = max(growth.highest, resident_bytes(process_ids))


def _family(process_id: int) -> list[psutil.Process]:
    try:
        process = psutil.Process(process_id)
        return [process, *process.children(recursive=True)]
    except psutil.Error:
        return []
