"""A server process that dies with us."""

import asyncio
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self, cast

from roadworthy.adapters.embedded.run_as import RunAs
from roadworthy.domain.errors import EmbeddedServerFailed

_GUARDIAN = Path(__file__).with_name("guardian.py")
_PASSED_ON = ("PATH", "TMPDIR", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")


class NamespaceUnavailable(Exception):
    """This system lets nobody make a user namespace, not even root (usual inside containers)."""


@dataclass(frozen=True)
class StopStep:
    """Send this signal, then wait so many seconds before the next step; the last step is followed by SIGKILL."""

    signal: int
    patience: float


class GuardedProcess:
    """One server and its guardian: the small process between us and it that ends it when we are gone."""

    def __init__(self, guardian: asyncio.subprocess.Process, patience: float) -> None:
        self.pid = 0
        """Of the server, not of its guardian."""
        self.last_words = ""
        """The end of the server's output; complete once it has ended."""
        self._guardian = guardian
        self._leash = cast("asyncio.StreamWriter", guardian.stdin)
        self._output = cast("asyncio.StreamReader", guardian.stdout)
        self._patience = patience
        self._ended: asyncio.Task[int] | None = None

    @classmethod
    async def spawn(
        cls,
        command: Sequence[str | Path],
        *,
        folder: Path,
        run_as: RunAs,
        log: Path,
        stop_plan: Sequence[StopStep],
        lock: int,
    ) -> Self:
        """Start `command`; returns once it is executing.

        `lock` is a descriptor that the server and all its children keep open.

        Raises NamespaceUnavailable, or EmbeddedServerFailed when the server's user can't reach its files.
        """
        plan = ",".join(f"{int(step.signal)}:{step.patience}" for step in stop_plan)
        guardian = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-I", "-S", _GUARDIAN, str(os.getpid()), str(run_as), plan, log, folder),
            *command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            pass_fds=(lock,),
            start_new_session=True,
            cwd="/",
            # Not the whole environment: it holds keys that a database has no use for, and PG… variables.
            env={name: os.environ[name] for name in _PASSED_ON if name in os.environ} | {"LC_ALL": "C", "TZ": "UTC"},
        )
        process = cls(guardian, sum(step.patience for step in stop_plan) + 5)
        try:
            await process._hear_started(folder, run_as)
        except BaseException:
            await process.stop()
            raise
        return process

    async def wait(self) -> int:
        """Until the server has ended; its exit status, 128 + signal when a signal ended it."""
        if self._ended is None:
            self._ended = asyncio.create_task(self._collect())
        # Cancelling one who waits must not cancel the collecting, on which the others wait.
        return await asyncio.shield(self._ended)

    async def stop(self) -> None:
        """End the server and wait until it is gone; nothing to do when it is."""
        self._leash.close()
        try:
            await asyncio.wait_for(self.wait(), self._patience)
        except TimeoutError:
            self._guardian.kill()
            await self.wait()

    async def _hear_started(self, folder: Path, run_as: RunAs) -> None:
        line = (await self._output.readline()).decode(errors="replace")
        word, _, rest = line.strip().partition(" ")
        kind, _, detail = rest.partition(" ")
        if word == "started":
            self.pid = int(rest)
        elif kind == "namespace":
            raise NamespaceUnavailable(detail)
        elif kind == "reach":
            raise EmbeddedServerFailed(
                f"The embedded servers run as {run_as.described()}, which can't reach {detail}. "
                "Start as the user whom that folder belongs to, or keep the data in a folder that others may pass "
                "through, for example with ROADWORTHY_DATA_DIR=/var/lib/roadworthy."
            )
        else:
            reason = detail or line.strip() or "no reason given"
            raise EmbeddedServerFailed(f"The embedded servers in {folder} can't be started: {reason}.")

    async def _collect(self) -> int:
        self.last_words = (await self._output.read()).decode(errors="replace").strip()
        return await self._guardian.wait()
