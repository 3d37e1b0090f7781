"""What the tests see of processes: who owns servers, what is left of them."""

import asyncio
import fcntl
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil

OWNER = Path(__file__).with_name("owner.py")
SITE_PACKAGES = Path(psutil.__file__).parent.parent
SOURCE = Path(__file__).parents[3] / "src"


def wait_until(happened: Callable[[], object], what: str, *, seconds: float = 20.0) -> None:
    """Returns as soon as it happened; fails when it does not within the deadline."""
    deadline = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < deadline, f"did not happen within {seconds} s: {what}"
        time.sleep(0.005)


async def until(happened: Callable[[], object], what: str, *, seconds: float = 30.0) -> None:
    """As `wait_until`, while the event loop goes on."""
    deadline = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < deadline, f"did not happen within {seconds} s: {what}"
        await asyncio.sleep(0.001)


def is_running(pid: int) -> bool:
    """A zombie is not: nobody may be there to collect it."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def processes_of(folder: Path) -> list[str]:
    """Command lines of the servers and guardians of a data folder."""
    return [
        " ".join(process.info["cmdline"])
        for process in psutil.process_iter(["cmdline"])
        if any(str(folder) in word for word in process.info["cmdline"] or [])
        and any(
            word.endswith(("guardian.py", "/postgres", "/initdb", "valkey-server")) for word in process.info["cmdline"]
        )
    ]


def is_locked(path: Path) -> bool:
    """Whether any process still holds it; a server's lock is also held by all of its children."""
    if not path.exists():
        return False
    with path.open("r+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def nothing_left(folder: Path) -> bool:
    locks = [folder / f"{name}.lock" for name in ("postgres", "valkey")]
    return not processes_of(folder) and not any(is_locked(lock) for lock in locks)


class Owner:
    """Another process that owns embedded servers."""

    def __init__(self, folder: Path, *options: str, python: str = sys.executable, **popen: Any) -> None:
        self.process = subprocess.Popen(
            [python, str(OWNER), str(folder), *options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": f"{SOURCE}:{SITE_PACKAGES}", "PYTHONDONTWRITEBYTECODE": "1"},
            **popen,
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        self.said: dict[str, Any] = json.loads(line) if line else {}

    def __enter__(self) -> "Owner":
        return self

    def __exit__(self, *_: object) -> None:
        for stream in (self.process.stdin, self.process.stdout):
            assert stream is not None
            stream.close()
        self.process.wait(30)
