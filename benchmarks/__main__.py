"""`python -m benchmarks`: runs them, prints a table, writes `build/bench.json`."""

from __future__ import annotations

import argparse
import asyncio
import os
import resource
import time
from collections.abc import Sequence

import uvloop
from rich.console import Console

from benchmarks.all_benchmarks import ALL
from benchmarks.benchmark import Benchmark
from benchmarks.result import Result, write_results
from benchmarks.server_process import REPOSITORY
from benchmarks.surroundings import surroundings
from benchmarks.table import result_table
from roadworthy.app.logging import configure_logging

RESULTS = REPOSITORY / "build" / "bench.json"
WIDTH = 100
"""Of the table where there is no terminal that has one."""
MOST_SECONDS, FULL_MOST_SECONDS = 180, 900
"""A benchmark that takes longer has failed."""


def main() -> int:
    """0 when everything ran, however slow; 1 when something did not."""
    flags = _flags()
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=WIDTH)
    configure_logging("warning", "console")
    # Two connections a task in flight, in each process.
    _, most_files = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most_files, most_files))
    began = time.monotonic()
    chosen = [benchmark for benchmark in ALL if benchmark.name in flags.only]
    results, failures = uvloop.run(_run(chosen, flags.full, console))
    write_results(RESULTS, results)
    console.print()
    console.print(result_table(results))
    form = "full" if flags.full else "short"
    console.print(
        f"\nThe {form} form took {time.monotonic() - began:.0f} s on {os.cpu_count()} cores; "
        f"figures are in {RESULTS.relative_to(REPOSITORY)}.",
        style="dim",
    )
    for failure in failures:
        console.print(failure, style="red", markup=False)
    return 1 if failures else 0


async def _run(chosen: Sequence[Benchmark], full: bool, console: Console) -> tuple[list[Result], list[str]]:
    results: list[Result] = []
    failures: list[str] = []
    name = ""

    def say(line: str) -> None:
        console.print(f"[dim]{name:8}[/]{line}", soft_wrap=True)

    async with surroundings(full, say) as around:
        for benchmark in chosen:
            name = benchmark.name
            try:
                async with asyncio.timeout(FULL_MOST_SECONDS if full else MOST_SECONDS):
                    results += await benchmark.run(around)
            except Exception as error:
                failures.append(f"{name} did not run: {type(error).__name__}: {error}")
    return results, failures


def _flags() -> argparse.Namespace:
    names = [benchmark.name for benchmark in ALL]
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--full", action="store_true", help="more tasks, each figure the median of three runs")
    parser.add_argument("--only", default=",".join(names), help=f"some of {','.join(names)}")
    flags = parser.parse_args()
    flags.only = flags.only.split(",")
    if unknown := set(flags.only) - set(names):
        parser.error(f"there is no benchmark {', '.join(sorted(unknown))}; there are {', '.join(names)}")
    return flags


if __name__ == "__main__":
    raise SystemExit(main())
