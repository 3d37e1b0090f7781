"""`python -m benchmarks.soak TASKS`: prints how it goes on, writes `build/soak.json`; 1 if a promise was broken."""

from __future__ import annotations

import argparse

import uvloop

from benchmarks.soak.run import MEMORY_RATIO, run_soak
from roadworthy.app.logging import configure_logging


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=__doc__)
    parser.add_argument("tasks", type=int, help="how many tasks are run")
    parser.add_argument(
        "--memory-ratio", type=float, default=MEMORY_RATIO, help="most that memory may have grown by (%(default)s)"
    )
    flags = parser.parse_args()
    configure_logging("warning", "console")
    return uvloop.run(run_soak(flags.tasks, flags.memory_ratio))


if __name__ == "__main__":
    raise SystemExit(main())
