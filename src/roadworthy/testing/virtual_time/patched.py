"""The clocks and the random numbers of Python's library, taken from a `VirtualTimeLoop` and a seed."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

from roadworthy.testing.virtual_time.loop import VirtualTimeLoop
from roadworthy.testing.virtual_time.process import current_process

EPOCH = 1_800_000_000.0


@contextmanager
def virtual_time(loop: VirtualTimeLoop, chance: random.Random) -> Generator[None]:
    """Meanwhile `time.time`, `time.monotonic` and their kin follow the loop, the wall clock with the skew of the
    process that reads it; `os.urandom` (hence `uuid4`) and the functions of `random` are seeded."""

    def wall() -> float:
        return EPOCH + loop.time() + current_process().clock_skew

    def noise(size: int) -> bytes:
        return chance.randbytes(size)

    replaced: list[tuple[Any, str, Callable[..., object]]] = [
        (time, "time", wall),
        (time, "time_ns", lambda: int(wall() * 1_000_000) * 1000),
        (time, "monotonic", loop.time),
        (time, "monotonic_ns", lambda: int(loop.time() * 1e9)),
        (time, "perf_counter", loop.time),
        (time, "perf_counter_ns", lambda: int(loop.time() * 1e9)),
        (os, "urandom", noise),
    ]
    originals = [(module, name, getattr(module, name)) for module, name, _ in replaced]
    before = random.getstate()
    for module, name, substitute in replaced:
        setattr(module, name, substitute)
    random.seed(chance.random())
    try:
        yield
    finally:
        for module, name, original in originals:
            setattr(module, name, original)
        random.setstate(before)
