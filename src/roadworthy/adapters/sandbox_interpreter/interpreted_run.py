"""One piece of code in the interpreter."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, cast

from pydantic_monty import (
    AsyncMonty,
    AsyncMontySession,
    MontyCrashedError,
    MontyError,
    MontyRuntimeError,
    MontySyntaxError,
    MountDir,
)

from roadworthy.adapters.sandbox_interpreter.last_expression import naming_last_expression
from roadworthy.domain.errors import SandboxFailed
from roadworthy.ports.sandbox import SandboxEnd, SandboxLimits, SandboxRun

FOLDER = "/work"
MOST_CALLS = 20_000
"""Of one run, for its folder and the time."""
_RESULT, _KEPT, _NAME, _FILE = "_result_of_last_line", "_kept_files", "_kept_name", "_kept_file"
_REFUSALS = (ModuleNotFoundError, NotImplementedError, PermissionError)


class InterpretedRun:
    def __init__(self, code: str, limits: SandboxLimits, keep: Sequence[str]) -> None:
        self._code = code
        self._limits = limits
        self._keep = list(keep)
        self._written: dict[str, list[str]] = {"stdout": [], "stderr": []}
        self._room = dict.fromkeys(self._written, limits.output_bytes)
        self._began = time.monotonic()

    async def result(self, pool: AsyncMonty, folder: Path) -> SandboxRun:
        """With what lies in `folder` in its working folder. What it writes there stays in memory."""
        limits = self._limits
        session = pool.checkout(
            limits={
                "max_feed_duration_secs": min(limits.seconds, limits.cpu_seconds),
                "max_memory": limits.memory_bytes,
                "max_suspensions": MOST_CALLS,
            },
            os_policy={"sleep_system_max": limits.seconds},
        )
        room = limits.disk_bytes
        mount = MountDir(
            host_path=folder, virtual_path=FOLDER, mode="overlay", write_bytes_limit=room, memory_usage_limit=room
        )
        try:
            async with session:
                self._began = time.monotonic()
                return await self._outcome(session, mount)
        except (MontyError, OSError, RuntimeError) as error:
            raise SandboxFailed(f"the interpreter's process failed: {error}") from error
        finally:
            mount.close()

    async def _outcome(self, session: AsyncMontySession, mount: MountDir) -> SandboxRun:
        try:
            async with asyncio.timeout(self._limits.seconds):
                found = await session.feed_run(
                    self._whole_code(), print_callback=self._hear, mount=mount, cwd=FOLDER, inputs={_RESULT: None}
                )
        except TimeoutError:
            return self._ended(SandboxEnd.OUT_OF_TIME, f"it ran longer than {self._limits.seconds:g} s")
        except MontyError as error:
            return self._failed(error)
        shown, kept = _parts(found)
        return self._ended(SandboxEnd.FINISHED, "", shown, kept)

    def _whole_code(self) -> str:
        """The value is made text in there: turned into a value of this process it could be of any size."""
        shown = f"None if {_RESULT} is None else f'{{{_RESULT}!r}}'[:{self._limits.output_bytes}]"
        code = naming_last_expression(self._code, _RESULT)
        if not self._keep:
            return f"{code}\n({shown}, {{}})"
        return (
            f"{code}\n{_KEPT} = {{}}\n"
            f"for {_NAME} in {self._keep!r}:\n"
            f" try:\n  with open({_NAME}, 'rb') as {_FILE}: {_KEPT}[{_NAME}] = {_FILE}.read()\n"
            f" except: pass\n"
            f"({shown}, {_KEPT})"
        )

    def _hear(self, stream: Literal["stdout", "stderr"], text: str) -> None:
        room = self._room[stream]
        if room > 0:
            self._written[stream].append(text[:room])
        self._room[stream] = room - len(text)

    def _failed(self, error: MontyError) -> SandboxRun:
        limits = self._limits
        if isinstance(error, MontyCrashedError):
            if error.timed_out:
                return self._ended(SandboxEnd.OUT_OF_TIME, f"it computed for longer than {limits.cpu_seconds:g} s")
            return self._ended(SandboxEnd.RAISED, "it crashed the interpreter")
        if not isinstance(error, (MontyRuntimeError, MontySyntaxError)):
            return self._ended(SandboxEnd.RAISED, str(error))
        cause = error.exception()
        if isinstance(cause, MemoryError):
            return self._ended(SandboxEnd.OUT_OF_MEMORY, f"it needed more than {limits.memory_bytes:,} bytes of memory")
        if isinstance(cause, TimeoutError):
            seconds = min(limits.seconds, limits.cpu_seconds)
            return self._ended(SandboxEnd.OUT_OF_TIME, f"it computed for longer than {seconds:g} s")
        end = SandboxEnd.REFUSED if isinstance(cause, _REFUSALS) else SandboxEnd.RAISED
        return self._ended(end, self._told(error)[-limits.output_bytes :])

    def _told(self, error: MontyRuntimeError | MontySyntaxError) -> str:
        """As Python tells it, with the lines as they were given."""
        lines = self._code.split("\n")
        told: list[str] = []
        for frame in error.traceback():
            told.append(f'  File "<code>", line {frame.line}, in {frame.function_name or "<module>"}')
            if frame.line <= len(lines):
                told.append(f"    {lines[frame.line - 1].strip()}")
        if told:
            told.insert(0, "Traceback (most recent call last):")
        return "\n".join([*told, error.display("type-msg")])

    def _ended(
        self, end: SandboxEnd, words: str, result: str | None = None, files: dict[str, bytes] | None = None
    ) -> SandboxRun:
        stderr = (part.rstrip("\n") for part in (self._text("stderr"), words))
        return SandboxRun(
            end,
            self._text("stdout"),
            "\n".join(part for part in stderr if part),
            result,
            time.monotonic() - self._began,
            files or {},
        )

    def _text(self, stream: str) -> str:
        text = "".join(self._written[stream])
        most = self._limits.output_bytes
        return f"{text}\n[cut here: it wrote more than {most:,} bytes]" if self._room[stream] < 0 else text


def _parts(found: Any) -> tuple[str | None, dict[str, bytes]]:
    """Hostile code may have put anything in their place."""
    parts = cast(tuple[Any, ...], found) if isinstance(found, tuple) else ()
    shown, kept = parts if len(parts) == 2 else (None, None)
    files = cast(dict[Any, Any], kept) if isinstance(kept, dict) else {}
    return (
        shown if isinstance(shown, str) else None,
        {name: data for name, data in files.items() if isinstance(name, str) and isinstance(data, bytes)},
    )
