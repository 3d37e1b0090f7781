"""Runs code in a process of its own that the kernel keeps from everything else."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import tempfile
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

import structlog

from roadworthy.adapters.sandbox_process.inside.fields import packed, unpacked
from roadworthy.domain.errors import SandboxFailed
from roadworthy.ports.sandbox import SandboxEnd, SandboxLimits, SandboxRun, checked_files

log: structlog.stdlib.BoundLogger = structlog.get_logger()

CODE_PATH = str(Path(__file__).parent)
_START = "import sys; sys.path.insert(0, sys.argv[1]); from inside.supervisor import main; main()"
_GRACE_SECONDS = 10
"""For a supervisor to end a run by itself, on a machine that has much else to do."""
_CLEANING_SECONDS = 2

_PROBE = """
def refused(attempt):
    try:
        attempt()
    except (PermissionError, ModuleNotFoundError):
        return True
    return False
import os, socket, json
held = {
    "files": refused(lambda: open("/proc/self/environ")),
    "network": refused(lambda: socket.socket()),
    "processes": refused(lambda: os.fork() or os._exit(0)),
}
print(json.dumps(held))
"""
"""What `check` lets the sandbox do to itself."""


class ProcessSandbox:
    """All of Python with its standard library, one process a run: about 40 ms. As many at once as it was made for;
    more wait."""

    name = "process"

    def __init__(self, at_once: int | None = None, within: Path | None = None) -> None:
        self._places = asyncio.Semaphore(at_once or 2 * (os.cpu_count() or 1))
        self._within = str(within or tempfile.gettempdir())
        self._checking = asyncio.Lock()
        self._checked = False

    async def run(
        self,
        code: str,
        *,
        files: Mapping[str, bytes] | None = None,
        keep: Sequence[str] = (),
        limits: SandboxLimits | None = None,
    ) -> SandboxRun:
        await self.check()
        return await self._run(code, files or {}, keep, limits or SandboxLimits())

    async def check(self) -> None:
        async with self._checking:
            if self._checked:
                return
            if sys.platform != "linux":
                raise SandboxFailed("the process sandbox needs Linux; set ROADWORTHY_SANDBOX to another one")
            found = await self._run(_PROBE, {}, (), SandboxLimits())
            held: dict[str, bool] = json.loads(found.stdout) if found.end is SandboxEnd.FINISHED else {}
            if not held or not all(held.values()):
                open_walls = ", ".join(wall for wall, holds in held.items() if not holds)
                raise SandboxFailed(
                    f"the process sandbox does not hold on this machine: {open_walls or found.stderr or found.end}"
                )
            self._checked = True

    async def close(self) -> None:
        """Every run ends with the call that it belongs to: nothing is left."""

    async def _run(
        self, code: str, files: Mapping[str, bytes], keep: Sequence[str], limits: SandboxLimits
    ) -> SandboxRun:
        checked_files(files, keep)
        fields = {
            "code": code.encode("utf-8", "replace"),
            "code_path": CODE_PATH.encode(),
            "within": self._within.encode(),
            **{name: str(value).encode() for name, value in asdict(limits).items()},
            **{f"file:{name}": content for name, content in files.items()},
            **{f"keep:{name}": b"" for name in keep},
        }
        async with self._places:
            answer = await _asked(packed(fields), limits.seconds + _GRACE_SECONDS)
        if "failed" in answer:
            raise SandboxFailed(f"the process sandbox can't run here: {_text(answer['failed'])}")
        if "left_behind" in answer:
            log.warning("sandbox_folder_left_behind", within=self._within, error=_text(answer["left_behind"]))
        stderr = (_text(answer[name]).rstrip("\n") for name in ("stderr", "words"))
        return SandboxRun(
            SandboxEnd(answer["end"].decode()),
            _text(answer["stdout"]),
            "\n".join(part for part in stderr if part),
            _text(answer["result"]) if "result" in answer else None,
            float(answer["seconds"]),
            {name.removeprefix("file:"): content for name, content in answer.items() if name.startswith("file:")},
        )


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")


async def _asked(job: bytes, seconds: float) -> dict[str, bytes]:
    try:
        supervisor = await asyncio.create_subprocess_exec(
            # Not the environment's own Python: that one would bring the worker's packages.
            getattr(sys, "_base_executable", sys.executable),
            *("-I", "-S", "-X", "utf8", "-c", _START, CODE_PATH),
            stdin=PIPE,
            stdout=PIPE,
            stderr=DEVNULL,
            env={"LANG": "C.UTF-8"},
            cwd="/",
            # Ctrl-C at the worker's terminal is for the worker.
            start_new_session=True,
        )
    except OSError as error:
        raise SandboxFailed(f"the process sandbox can't start Python: {error}") from error
    try:
        async with asyncio.timeout(seconds):
            answer = await _answered(supervisor, job)
    except TimeoutError:
        raise SandboxFailed("the process sandbox did not come back in time") from None
    finally:
        await asyncio.shield(_ended(supervisor))
    if not answer:
        raise SandboxFailed("the process sandbox ended without an answer")
    return unpacked(answer)


async def _answered(supervisor: Process, job: bytes) -> bytes:
    """Its input stays open until the answer is there: its end would be a cancellation."""
    asked, answered = supervisor.stdin, supervisor.stdout
    assert asked is not None and answered is not None  # noqa: S101 both were asked for
    with suppress(ConnectionError):
        asked.write(len(job).to_bytes(8) + job)
        await asked.drain()
    return await answered.read()


async def _ended(supervisor: Process) -> None:
    """It ends what it runs and cleans up when its input ends; if it can't, its run ends with it."""
    if supervisor.stdin is not None:
        supervisor.stdin.close()
    try:
        async with asyncio.timeout(_CLEANING_SECONDS):
            await supervisor.wait()
    except TimeoutError:
        supervisor.kill()
        await supervisor.wait()
