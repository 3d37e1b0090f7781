"""A process of Roadworthy that may be killed at any moment, and started again."""

from __future__ import annotations

import asyncio
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.server_process import REPOSITORY, die_with_parent

_ROADWORTHY = ("-c", "from roadworthy.app.command_line import main; main()")
START_SECONDS = 90
STOP_SECONDS = 30


class Killable:
    """`url` is where it answers, for an API server that has started."""

    def __init__(self, name: str, arguments: Sequence[str], environment: Mapping[str, str], folder: Path) -> None:
        self.name = name
        self.kills = 0
        self.url = ""
        self._arguments = [*arguments]
        self._environment = environment
        self._log = folder / f"{name}.log"
        self._process: Process | None = None
        self._reading: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def ended_by_itself(self) -> bool:
        return self._process is not None and self._process.returncode is not None

    async def start(self) -> None:
        with self._log.open("ab") as errors:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                *_ROADWORTHY,
                *self._arguments,
                env=dict(self._environment),
                cwd=REPOSITORY,
                stdin=DEVNULL,
                stdout=PIPE,
                stderr=errors,
                start_new_session=True,
                preexec_fn=die_with_parent,
            )
        if self._arguments[0] == "api":
            async with asyncio.timeout(START_SECONDS):
                line = b""
                while b" on http://" not in line:
                    line = await self._output.readline()
                    assert line, f"{self.name} did not start: {self.last_words()}"
            self.url = line.decode().rpartition(" on ")[2].strip()
            # The next one must be reached where this one was.
            self._arguments[self._arguments.index("--port") + 1] = self.url.rpartition(":")[2]
        self._reading = asyncio.create_task(self._read_on())

    async def kill(self) -> None:
        """As `kill -9`, and start it again."""
        assert self._process is not None
        self.kills += 1
        if self._process.returncode is None:
            self._process.kill()
        await self._process.wait()
        await self.start()

    async def stop(self) -> int:
        """Ask it to end; its exit code."""
        if self._process is None:
            return 0
        if self._process.returncode is None:
            self._process.send_signal(signal.SIGTERM)
        try:
            return await asyncio.wait_for(self._process.wait(), STOP_SECONDS)
        except TimeoutError:
            self._process.kill()
            return await self._process.wait()

    def last_words(self) -> str:
        return self._log.read_text("utf-8", "replace")[-1500:]

    def logged(self, event: str) -> int:
        """How many lines of its log tell of that event."""
        return self._log.read_text("utf-8", "replace").count(f'"event": "{event}"')

    @property
    def _output(self) -> asyncio.StreamReader:
        assert self._process is not None
        assert self._process.stdout is not None
        return self._process.stdout

    async def _read_on(self) -> None:
        """A pipe that nobody reads would stop it."""
        while await self._output.read(4096):
            pass
