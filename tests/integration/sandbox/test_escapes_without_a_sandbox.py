"""An attempt that fails everywhere proves nothing about a sandbox."""

import asyncio
import platform
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from roadworthy.ports.sandbox import SandboxEnd, SandboxLimits, SandboxRun
from roadworthy.testing.conformance.sandbox_escapes import ATTEMPTS, NEEDS_MORE_THAN_A_PROCESS
from roadworthy.testing.conformance.sandbox_ground import sandbox_ground

pytestmark = pytest.mark.skipif(platform.system() != "Linux", reason="what hostile code tries here is Linux")


class NoSandbox:
    """Runs it with all that this process may do."""

    name = "none"

    def __init__(self, folder: Path, open_file: int) -> None:
        self._folder = folder
        self._open_file = open_file

    async def run(
        self,
        code: str,
        *,
        files: Mapping[str, bytes] | None = None,
        keep: object = (),
        limits: SandboxLimits | None = None,
    ) -> SandboxRun:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", code),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            cwd=self._folder,
            pass_fds=[self._open_file],
        )
        stdout, _ = await process.communicate()
        return SandboxRun(SandboxEnd.FINISHED, stdout.decode())

    async def check(self) -> None: ...

    async def close(self) -> None: ...


async def test_every_attempt_succeeds_where_nothing_stands_in_its_way(tmp_path: Path):
    for kind, attempts in ATTEMPTS.items():
        tried = {name: code for name, code in attempts.items() if name not in NEEDS_MORE_THAN_A_PROCESS}
        folder = tmp_path / kind
        folder.mkdir()
        with sandbox_ground(folder) as ground:
            work = folder / "work"
            work.mkdir()
            failed = set(tried) - set(await ground.escaped(NoSandbox(work, ground.open_file), tried))
            assert failed == set()
            if kind in ("files", "network"):
                assert ground.harm() != []


def test_exceptions_are_names_of_attempts():
    assert {name for attempts in ATTEMPTS.values() for name in attempts} >= NEEDS_MORE_THAN_A_PROCESS
