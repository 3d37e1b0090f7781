"""`python -m tests.simulation`: run many seeds, or one of them with everything that happened."""

from __future__ import annotations

import argparse
import gc
import os
import sys
import time
from collections import Counter
from pathlib import Path

HASH_SEED = "0"
LAST_LINES = 40


def main() -> None:
    options = _options()
    if os.environ.get("PYTHONHASHSEED") != HASH_SEED:
        # Sets of strings have an order of their own in each process unless this is fixed before Python starts.
        environment = {**os.environ, "PYTHONHASHSEED": HASH_SEED}
        os.execve(sys.executable, [sys.executable, "-m", __spec__.parent, *sys.argv[1:]], environment)
    # After the exec: they take a second to import.
    from .breakages import broken
    from .many_seeds import run_seeds
    from .one_seed import load_everything

    load_everything()
    gc.collect()
    gc.freeze()
    with broken(options.broken):
        if options.seed is not None:
            sys.exit(_replay(options.seed, options.digest))
        seeds = range(options.first, options.first + options.seeds)
        sys.exit(_run_all(run_seeds, seeds, options.jobs, options.stop_at))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make simulate", description=__doc__)
    parser.add_argument("--seeds", type=int, default=100, help="how many (%(default)s)")
    parser.add_argument("--first", type=int, default=1, help="the first of them (%(default)s)")
    parser.add_argument("--seed", type=int, help="run this one and print all that happened")
    parser.add_argument("--jobs", type=int, default=min(os.cpu_count() or 1, 8), help="how many at once (%(default)s)")
    parser.add_argument("--stop-at", type=int, default=0, help="stop after so many broken seeds")
    parser.add_argument("--broken", default="nothing", help="break a piece on purpose: the name of one of breakages.py")
    parser.add_argument("--digest", action="store_true", help="with --seed: print only a digest of all that happened")
    return parser.parse_args()


def _replay(seed: int, only_digest: bool) -> int:
    from .one_seed import run_seed

    result = run_seed(seed, keep_trace=True)
    if only_digest:
        print(result.digest, flush=True)
    else:
        print("\n".join(result.trace))
        print(_said(result.counts))
        print("\n".join(result.broken) or "every promise held", flush=True)
    os._exit(bool(result.broken))  # what was killed must not run its `finally` blocks now


def _run_all(run_seeds, seeds, jobs: int, stop_at: int) -> int:  # type: ignore[no-untyped-def]
    began, done, counts, failed = time.monotonic(), 0, Counter[str](), []
    virtual = 0.0
    for result in run_seeds(seeds, jobs):
        done += 1
        counts += result.counts
        virtual += result.virtual_seconds
        if result.broken:
            failed.append(result)
            _clear_line()
            print(f"seed {result.seed}: {result.broken[0]}", flush=True)
        _progress(done, len(seeds), len(failed), time.monotonic() - began)
        if stop_at and len(failed) >= stop_at:
            break
    _clear_line()
    print(
        f"{done} seeds in {time.monotonic() - began:.1f} s: {counts['tasks']} tasks, {_hours(virtual)} of virtual time, "
        f"{len(failed)} seeds with a broken promise"
    )
    print(_said(counts))
    for result in sorted(failed, key=lambda result: result.seed)[:3]:
        _report(result)
    if failed:
        print("failing seeds:", *sorted(result.seed for result in failed))
    return bool(failed)


def _report(result) -> None:  # type: ignore[no-untyped-def]
    print(f"\n── seed {result.seed} ── all of it: make simulate SEED={result.seed}")
    print("\n".join(result.trace[-LAST_LINES:]))
    print("\n".join(result.broken))


def _progress(done: int, of: int, failed: int, seconds: float) -> None:
    if sys.stdout.isatty():
        print(f"\r{done} of {of} seeds, {failed} failed, {seconds:.0f} s", end="", flush=True)
    elif done % max(of // 10, 1) == 0:
        print(f"{done} of {of} seeds, {failed} failed, {seconds:.0f} s", flush=True)


def _clear_line() -> None:
    if sys.stdout.isatty():
        print("\r\033[K", end="")


def _said(counts: Counter[str]) -> str:
    return ", ".join(f"{name}: {count}" for name, count in sorted(counts.items()))


def _hours(seconds: float) -> str:
    return f"{seconds / 3600:.1f} h"


if __name__ == "__main__":
    assert Path("tests/simulation").is_dir(), "run this from the root of the repository"
    main()
