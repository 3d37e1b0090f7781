"""How long code of a model waits for its sandbox."""

from __future__ import annotations

import time
from collections.abc import Sequence
from statistics import median

from benchmarks.benchmark import Benchmark
from benchmarks.result import Result
from benchmarks.surroundings import Surroundings
from roadworthy.adapters.sandbox_interpreter import InterpreterSandbox
from roadworthy.adapters.sandbox_process import ProcessSandbox
from roadworthy.ports.sandbox import Sandbox

TIMES, FULL_TIMES = 20, 200
MOST_INTERPRETER_MILLISECONDS, MOST_PROCESS_MILLISECONDS = 5, 100


async def run(around: Surroundings) -> Sequence[Result]:
    times = FULL_TIMES if around.full else TIMES
    interpreter = await _milliseconds(InterpreterSandbox(), times)
    process = await _milliseconds(ProcessSandbox(), times)
    around.say(f"from a call to its result: interpreter {interpreter:.2f} ms, process {process:.1f} ms")
    return [
        Result.at_most("sandbox, interpreter", interpreter, "ms", MOST_INTERPRETER_MILLISECONDS),
        Result.at_most("sandbox, process", process, "ms", MOST_PROCESS_MILLISECONDS),
    ]


async def _milliseconds(sandbox: Sandbox, times: int) -> float:
    """Of a whole run, one at a time, once the sandbox was looked over."""
    took: list[float] = []
    try:
        await sandbox.check()
        for _ in range(times):
            began = time.perf_counter()
            found = await sandbox.run("1 + 1")
            took.append((time.perf_counter() - began) * 1000)
            assert found.result == "2"
    finally:
        await sandbox.close()
    return median(took)


benchmark = Benchmark("sandbox", run)
