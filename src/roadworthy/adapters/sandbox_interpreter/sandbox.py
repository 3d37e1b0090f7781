"""Runs code in an interpreter of a part of Python that knows no files but its own, no network and no processes."""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from roadworthy.adapters.sandbox_interpreter.last_expression import MOST_CHARACTERS
from roadworthy.domain.errors import SandboxFailed
from roadworthy.ports.sandbox import SandboxEnd, SandboxLimits, SandboxRun, checked_files

if TYPE_CHECKING:
    from pydantic_monty import AsyncMonty

    from roadworthy.adapters.sandbox_interpreter.interpreted_run import InterpretedRun

RUNS_OF_ONE_PROCESS = 200
"""Of the interpreter's processes: then a new one takes its place."""


class InterpreterSandbox:
    """A part of Python with a few modules of its library, in about a millisecond. As many at once as it was made for;
    more wait."""

    name = "interpreter"

    def __init__(self, at_once: int | None = None) -> None:
        self._at_once = at_once or 2 * (os.cpu_count() or 1)
        self._pool: AsyncMonty | None = None
        self._empty: Path | None = None
        self._opening = asyncio.Lock()

    async def run(
        self,
        code: str,
        *,
        files: Mapping[str, bytes] | None = None,
        keep: Sequence[str] = (),
        limits: SandboxLimits | None = None,
    ) -> SandboxRun:
        checked_files(files or {}, keep)
        if len(code) > MOST_CHARACTERS:
            return SandboxRun(SandboxEnd.REFUSED, stderr=f"the code is longer than {MOST_CHARACTERS:,} characters")
        pool, folder = await self._opened()
        from roadworthy.adapters.sandbox_interpreter.interpreted_run import InterpretedRun

        run = InterpretedRun(code, limits or SandboxLimits(), keep)
        return await (_with_files(run, pool, files) if files else run.result(pool, folder))

    async def check(self) -> None:
        found = await self.run("1 + 1")
        if found.result != "2":
            raise SandboxFailed(f"the interpreter does not work on this machine: {found.stderr or found.end}")

    async def close(self) -> None:
        pool, self._pool = self._pool, None
        if pool is not None:
            await pool.__aexit__(None, None, None)
        if self._empty is not None:
            with suppress(OSError):
                self._empty.rmdir()

    async def _opened(self) -> tuple[AsyncMonty, Path]:
        """Its first process is started with the first run, not with the worker."""
        async with self._opening:
            if self._pool is None or self._empty is None:
                try:
                    from pydantic_monty import AsyncMonty

                    pool = AsyncMonty(max_processes=self._at_once, max_checkouts_per_worker=RUNS_OF_ONE_PROCESS)
                    await pool.__aenter__()
                    # What a run writes stays in memory: this one is never more than what it sees at first.
                    self._empty = Path(tempfile.mkdtemp(prefix="roadworthy-sandbox-"))
                except ImportError:
                    raise SandboxFailed(
                        'the interpreter is not installed: pip install "roadworthy[sandbox]", or set '
                        "ROADWORTHY_SANDBOX to `process` or to the address of a sandbox service"
                    ) from None
                except (OSError, RuntimeError) as error:
                    raise SandboxFailed(f"the interpreter can't be started: {error}") from error
                self._pool = pool
            return self._pool, self._empty


async def _with_files(run: InterpretedRun, pool: AsyncMonty, files: Mapping[str, bytes]) -> SandboxRun:
    folder = Path(tempfile.mkdtemp(prefix="roadworthy-sandbox-"))
    try:
        for name, content in files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content)
        return await run.result(pool, folder)
    except OSError as error:
        raise SandboxFailed(f"the files for the sandbox can't be put into {folder}: {error}") from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)
