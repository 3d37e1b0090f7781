"""Processes under test: started, watched through what they write, and ended by signals."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from .watched import SECONDS, Watched

ROADWORTHY = Path(sys.executable).with_name("roadworthy")
PASSED_ON = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}
_MOST_SHOWN = 60


def environment(settings: Mapping[str, str]) -> dict[str, str]:
    """Of a process with these settings and no others."""
    return {**PASSED_ON, "ROADWORTHY_LOG_FORMAT": "json", **settings}


class Process(Watched):
    """A running `roadworthy …`."""

    def __init__(self, name: str, pid: int, collect: Callable[[], int]) -> None:
        super().__init__()
        self.name = name
        self.pid = pid
        self.output: list[str] = []
        """Lines of standard output."""
        self.errors: list[str] = []
        """Lines of standard error."""
        self.log: list[dict[str, Any]] = []
        """Those of them that are log entries."""
        self.status: int | None = None
        """The exit code, negative for a signal; None while it runs."""
        self._collect = collect
        self._watching = ()

    def watch(self, output: int, errors: int) -> None:
        """Read what it writes, and notice its end."""
        self._watching = (
            asyncio.create_task(self._read(output, self.output)),
            asyncio.create_task(self._read(errors, self.errors)),
            asyncio.create_task(self._notice_end()),
        )

    async def until_output(self, text: str) -> str:
        """The line of standard output that contains `text`."""
        line = await self.until(
            lambda: next((line for line in self.output if text in line), "" if self.status is None else "-"),
            f"{self.name} writes {text!r}",
        )
        assert line != "-", f"{self.name} ended with {self.status} without writing {text!r}: {self.present_state()}"
        return line

    async def until_logged(self, event: str, **fields: Any) -> dict[str, Any]:
        """The first log entry of that name with these fields."""
        entry = await self.until(
            lambda: next(iter(self.logged(event, **fields)), {} if self.status is None else {"ended": self.status}),
            f"{self.name} logs {event} {fields or ''}",
        )
        assert "ended" not in entry, f"{self.name} ended with {entry['ended']}: {self.present_state()}"
        return entry

    def logged(self, event: str, **fields: Any) -> list[dict[str, Any]]:
        return [entry for entry in self.log if entry.items() >= {"event": event, **fields}.items()]

    def send(self, number: signal.Signals) -> None:
        if self.status is None:
            os.kill(self.pid, number)

    async def kill(self) -> None:
        """As `kill -9`; returns when it is gone."""
        self.send(signal.SIGKILL)
        await self.ended()

    async def terminate(self) -> int:
        """Ask it to end; its exit code."""
        self.send(signal.SIGTERM)
        return await self.ended()

    async def ended(self, seconds: float = SECONDS) -> int:
        """The exit code, once everything that it wrote was read."""
        _, unfinished = await asyncio.wait(self._watching, timeout=seconds)
        assert not unfinished, f"{self.name} did not end within {seconds:g} s: {self.present_state()}"
        assert self.status is not None
        return self.status

    def present_state(self) -> str:
        return f"{self.name} says:\n" + "\n".join([*self.output, *self.errors][-_MOST_SHOWN:])

    async def _read(self, descriptor: int, lines: list[str]) -> None:
        reader = asyncio.StreamReader(limit=1 << 22)
        loop = asyncio.get_running_loop()
        pipe = os.fdopen(descriptor, "rb", 0)
        transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), pipe)
        async for line in reader:
            lines.append(line.decode(errors="replace").rstrip("\n"))
            if lines is self.errors and line.startswith(b"{"):
                self.log.append(json.loads(line))
            self.changed()
        transport.close()

    async def _notice_end(self) -> None:
        watch = os.pidfd_open(self.pid)
        loop, ended = asyncio.get_running_loop(), asyncio.Event()
        loop.add_reader(watch, ended.set)
        try:
            await ended.wait()
        finally:
            loop.remove_reader(watch)
            os.close(watch)
        self.status = self._collect()
        self.changed()


class Launcher:
    """Forks commands from a process that has imported everything (see `preloaded.py`)."""

    def __init__(self) -> None:
        self._control, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with other:
            self._process = subprocess.Popen([sys.executable, "-m", "acceptance.preloaded"], stdin=other, cwd=_TESTS)
        self._started = False

    @property
    def pid(self) -> int:
        return self._process.pid

    async def start(self, name: str, arguments: Sequence[str], settings: Mapping[str, str], folder: Path) -> Process:
        """Run `roadworthy <arguments>`; returns as soon as it runs."""
        output, errors = os.pipe(), os.pipe()
        request = {"start": [*arguments], "environment": environment(settings), "folder": str(folder)}
        answer = self._ask(request, [output[1], errors[1]])
        for descriptor in (output[1], errors[1]):
            os.close(descriptor)
        pid: int = answer["pid"]
        process = Process(name, pid, lambda: self._ask({"collect": pid})["status"])
        process.watch(output[0], errors[0])
        return process

    def close(self) -> None:
        self._control.close()
        self._process.wait(10)

    def _ask(self, request: dict[str, Any], descriptors: Sequence[int] = ()) -> dict[str, Any]:
        if not self._started:
            self._control.settimeout(60)
            assert self._control.recv(16) == b"{}", "the process to fork from did not start"
            self._started = True
        socket.send_fds(self._control, [json.dumps(request).encode()], list(descriptors))
        return json.loads(self._control.recv(1 << 16))


async def execute(arguments: Sequence[str], settings: Mapping[str, str], folder: Path) -> Process:
    """Run `roadworthy <arguments>` as a shell would."""
    popen = subprocess.Popen(
        [ROADWORTHY, *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(settings),
        cwd=folder,
        start_new_session=True,
    )
    assert popen.stdout is not None
    assert popen.stderr is not None
    process = Process(" ".join(["roadworthy", *arguments[:1]]), popen.pid, popen.wait)
    process.watch(os.dup(popen.stdout.fileno()), os.dup(popen.stderr.fileno()))
    popen.stdout.close()
    popen.stderr.close()
    return process


_TESTS = Path(__file__).parents[1]
