"""Runs seeds in processes of their own, a few at the same time."""

from __future__ import annotations

import os
import pickle
import select
import signal
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from .one_seed import Result, run_seed

SECONDS_A_SEED = 60.0
"""Of real time; a seed that takes longer is ended and counts as broken."""


@dataclass(slots=True)
class _Child:
    seed: int
    pid: int
    pipe: int
    started: float
    answer: bytes = b""


def run_seeds(seeds: Iterable[int], at_once: int, run: Callable[[int], Result] = run_seed) -> Iterator[Result]:
    """The results as they come. Each seed has a fork of this process: nothing is left of one for the next."""
    children: dict[int, _Child] = {}
    try:
        yield from _results(iter(seeds), at_once, run, children)
    finally:
        for child in children.values():
            os.kill(child.pid, signal.SIGKILL)
            os.waitpid(child.pid, 0)
            os.close(child.pipe)


def _results(
    waiting: Iterator[int], at_once: int, run: Callable[[int], Result], children: dict[int, _Child]
) -> Iterator[Result]:
    while True:
        while len(children) < at_once and (seed := next(waiting, None)) is not None:
            child = _fork(seed, run)
            children[child.pipe] = child
        if not children:
            return
        readable, _, _ = select.select(list(children), [], [], 1.0)
        for pipe in readable:
            if data := os.read(pipe, 1 << 20):
                children[pipe].answer += data
                continue
            yield _result(children.pop(pipe))
        for child in children.values():
            if time.monotonic() - child.started > SECONDS_A_SEED:
                os.kill(child.pid, signal.SIGKILL)


def _fork(seed: int, run: Callable[[int], Result]) -> _Child:
    reading, writing = os.pipe()
    sys.stdout.flush()
    pid = os.fork()
    if pid:
        os.close(writing)
        return _Child(seed, pid, reading, time.monotonic())
    try:
        os.close(reading)
        try:
            result = run(seed)
        except BaseException:
            result = _failed(seed, traceback.format_exc())
        answer = pickle.dumps(result)
        while answer:
            answer = answer[os.write(writing, answer) :]
    finally:
        # Without a farewell: tasks of killed processes must not run their `finally` blocks here either.
        os._exit(0)


def _result(child: _Child) -> Result:
    os.close(child.pipe)
    os.waitpid(child.pid, 0)
    if not child.answer:
        return _failed(child.seed, f"it did not end within {SECONDS_A_SEED:g} s, or its process died")
    result: Result = pickle.loads(child.answer)
    return result


def _failed(seed: int, why: str) -> Result:
    return Result(seed, [f"the simulation itself failed: {why}"], Counter(), 0, 0, "", [])
