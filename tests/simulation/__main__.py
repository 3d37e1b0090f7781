"""`python -m tests.simulation`: run many seeds, or one of them with everything that happened."""

from __future__ import annotations

import argparse
import gc
import os
import sys
import time
from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .one_seed import Result

HASH_SEED = "0"
LAST_LINES = 40
MOST_REPORTS = 3


def main() -> None:
    options = _options()
    if os.environ.get("PYTHONHASHSEED") != HASH_SEED:
        # Sets of strings have an order of their own in each process unless this is fixed before Python starts.
        environment = {**os.environ, "PYTHONHASHSEED": HASH_SEED}
        os.execve(sys.executable, [sys.executable, "-m", __spec__.parent, *sys.argv[1:]], environment)
    # After the exec: they take a second to import.
    from .breakages import broken
    from .one_seed import load_everything

    load_everything()
    gc.collect()
    gc.freeze()
    seeds = range(options.first, options.first + options.seeds)
    if options.break_everything:
        sys.exit(_break_everything(seeds, options.jobs))
    with broken(options.broken):
        if options.seed is not None:
            sys.exit(_replay(options.seed, options.digest))
        sys.exit(_run_all(seeds, options.jobs))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make simulate", description=__doc__)
    parser.add_argument("--seeds", type=int, default=100, help="how many (%(default)s)")
    parser.add_argument("--first", type=int, default=1, help="the first of them (%(default)s)")
    parser.add_argument("--seed", type=int, help="run this one and print all that happened")
    parser.add_argument("--jobs", type=int, default=min(os.cpu_count() or 1, 8), help="how many at once (%(default)s)")
    parser.add_argument("--broken", help="break a piece on purpose: a name in breakages.py")
    parser.add_argument(
        "--break-everything", action="store_true", help="break each piece of breakages.py and see that it is found"
    )
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


def _run_all(seeds: range, jobs: int) -> int:
    from .many_seeds import run_seeds

    began, done, virtual, digest = time.monotonic(), 0, 0.0, 0
    counts: Counter[str] = Counter()
    failed: list[Result] = []
    for result in run_seeds(seeds, jobs):
        done += 1
        counts += result.counts
        virtual += result.virtual_seconds
        digest ^= int(result.digest or "0", 16)
        if result.broken:
            failed.append(result)
            _clear_line()
            print(f"seed {result.seed}: {result.broken[0].splitlines()[0]}", flush=True)
        _progress(done, len(seeds), len(failed), time.monotonic() - began)
    _clear_line()
    for result in sorted(failed, key=lambda result: result.seed)[:MOST_REPORTS]:
        _report(result)
    print(_said(counts))
    print(
        f"{done} seeds in {time.monotonic() - began:.1f} s: {counts['tasks']} tasks, {_faults(counts)} faults, "
        f"{virtual / 3600:.1f} h of virtual time, {len(failed)} seeds with a broken promise; digest {digest:032x}"
    )
    if failed:
        print("promises were broken by seeds", *sorted(result.seed for result in failed))
    return bool(failed)


def _break_everything(seeds: range, jobs: int) -> int:
    """Each piece in turn, until a seed finds it; 1 if one is not found, or not for what it is."""
    from .breakages import BREAKAGES, broken
    from .many_seeds import run_seeds

    missed = 0
    for name, breakage in BREAKAGES.items():
        with broken(name):
            tried, found = 0, ""
            for result in run_seeds(seeds, jobs):
                tried += 1
                if any(broken.startswith(breakage.promise) for broken in result.broken):
                    found = f"found by seed {result.seed}"
                    break
        missed += not found
        print(f"{name:9} {found or 'NOT FOUND'} ({tried} tried): {breakage.what} – {breakage.promise}", flush=True)
    return bool(missed)


def _report(result: Result) -> None:
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


def _faults(counts: Counter[str]) -> int:
    from .plan import DISTURBANCES

    drawn = (
        "failed calls",
        "lost answers",
        "lost tickets and events",
        "model failures",
        "stop a worker for long",
        "tool failures",
    )
    return sum(counts[name] for name in (*DISTURBANCES, *drawn))


if __name__ == "__main__":
    main()
