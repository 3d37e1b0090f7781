"""Every benchmark, in the order in which they run. A new one is a file with a `benchmark`, and a line here."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks import (
    budget,
    gate,
    in_flight,
    ledger,
    levers,
    routing,
    sandbox,
    semantic,
    start_up,
    steady,
    streams,
    submission,
    throughput,
    tools,
)
from benchmarks.benchmark import Benchmark

ALL: Sequence[Benchmark] = (
    start_up.benchmark,
    gate.benchmark,
    sandbox.benchmark,
    tools.benchmark,
    semantic.benchmark,
    routing.benchmark,
    levers.benchmark,
    ledger.benchmark,
    budget.benchmark,
    throughput.benchmark,
    submission.benchmark,
    steady.benchmark,
    in_flight.benchmark,
    streams.benchmark,
)
