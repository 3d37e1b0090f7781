"""A server in a process of its own, for the length of a context."""

from __future__ import annotations

import asyncio
import ctypes
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

_SET_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG of prctl(2)
START_SECONDS = 60
STOP_SECONDS = 15
REPOSITORY = Path(__file__).parents[1]


class ServerFailed(Exception):
    """A server did not start, or did not go on."""


@asynccontextmanager
async def server_process(
    name: str, arguments: Sequence[str], environment: Mapping[str, str], log: Path, *, announces: str | None = None
) -> AsyncGenerator[tuple[int, str]]:
    """Run `python <arguments>`; gives its process id and, where it `announces` something, the line that says so.

    What it writes to standard error is in `log`. Raises ServerFailed when it does not say so
    in time, or ends before the context does.
    """
    with log.open("ab") as errors:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *arguments,
            env=dict(environment),
            cwd=REPOSITORY,
            stdin=DEVNULL,
            stdout=PIPE,
            stderr=errors,
            start_new_session=True,
            preexec_fn=die_with_parent,
        )
    try:
        line = await _line_with(announces, process) if announces else ""
        if line is None:
            raise ServerFailed(f"{name} did not say that it is ready: {_end_of(log)}")
        yield process.pid, line
    finally:
        ended = process.returncode
        await _stop(process)
        if ended is not None:
            # Also instead of the error that followed from it.
            raise ServerFailed(f"{name} ended by itself with code {ended}: {_end_of(log)}")


def die_with_parent() -> None:
    """A benchmark that is killed leaves nothing running (Linux only)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_SET_DEATH_SIGNAL, signal.SIGKILL)


async def _line_with(wanted: str, process: Process) -> str | None:
    assert process.stdout is not None
    try:
        async with asyncio.timeout(START_SECONDS):
            async for line in process.stdout:
                if wanted in line.decode():
                    return line.decode().strip()
    except TimeoutError:
        pass
    return None


async def _stop(process: Process) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        if process.returncode is None:
            process.send_signal(number)
            try:
                await asyncio.wait_for(process.wait(), STOP_SECONDS)
            except TimeoutError:
                continue


def _end_of(log: Path) -> str:
    return log.read_text("utf-8", "replace")[-2000:] or "it said nothing"
