"""How long the package takes to import and the command to say what it can do."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Sequence
from statistics import median

from benchmarks.benchmark import Benchmark
from benchmarks.result import Result
from benchmarks.surroundings import Surroundings

TIMES = 5


async def run(around: Surroundings) -> Sequence[Result]:
    nothing = _seconds("pass")
    imported = _seconds("import roadworthy")
    helped = _seconds("from roadworthy.app.command_line import main; main()", "--help")
    around.say(f"interpreter {nothing:.2f} s, import {imported:.2f} s, --help {helped:.2f} s")
    return [
        Result.at_most("import roadworthy", imported, "s", 0.3, nothing),
        Result.at_most("roadworthy --help", helped, "s", 0.6, nothing),
    ]


def _seconds(code: str, *arguments: str) -> float:
    """Of a whole process, interpreter included; the first one, which fills the caches, does not count."""
    took: list[float] = []
    for _ in range(TIMES + 1):
        began = time.perf_counter()
        subprocess.run([sys.executable, "-c", code, *arguments], check=True, stdout=subprocess.DEVNULL)
        took.append(time.perf_counter() - began)
    return median(took[1:])


benchmark = Benchmark("start", run)
