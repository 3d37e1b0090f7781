"""`roadworthy serve` in a process of its own."""

import asyncio
import contextlib
import ctypes
import os
import signal
import socket
import sys
from pathlib import Path

from examples.support.demo.api_client import ApiClient

REPOSITORY = Path(__file__).parents[3]
TARGET = "examples/support/service.py:service"
END_WITH_PARENT = 1  # PR_SET_PDEATHSIG
STOP_SECONDS = 10


class ServerProcess:
    """API, worker, PostgreSQL and Valkey behind one command. Its log goes to a file."""

    def __init__(self, data_folder: Path) -> None:
        self.port = _free_port(first_choice=8080)
        self.url = f"http://127.0.0.1:{self.port}"
        self.data_folder = data_folder
        self._log = data_folder / "serve.log"
        self._process: asyncio.subprocess.Process | None = None

    async def start(self, environment: dict[str, str]) -> None:
        """Returns when it is ready for work. Raises RuntimeError when it ended instead. May be called again after
        `kill`."""
        command = Path(sys.executable).with_name("roadworthy")
        with self._log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *(command, "serve", TARGET, "--port", str(self.port)),
                cwd=REPOSITORY,
                env=os.environ | {"ROADWORTHY_DATA_DIR": str(self.data_folder)} | environment,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C is for the demo, which then ends the server in order
                preexec_fn=_end_with_parent,
            )
        async with ApiClient(self.url) as client:
            while not await client.is_ready():
                if self._process.returncode is not None:
                    raise RuntimeError(f"roadworthy serve ended with exit code {self._process.returncode}")
                await asyncio.sleep(0.05)

    async def ended(self) -> None:
        """Waits until the server ends."""
        if self._process:
            await self._process.wait()

    async def kill(self) -> None:
        """As if the machine had lost its power: nothing in it is told."""
        if self._process and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()

    async def stop(self) -> None:
        """Ends it in order, and by force when that takes too long."""
        if self._process is None or self._process.returncode is not None:
            return
        self._process.terminate()
        try:
            await asyncio.wait_for(self._process.wait(), STOP_SECONDS)
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            await self._process.wait()

    def last_log_lines(self, count: int = 15) -> str:
        if not self._log.exists():
            return ""
        return "\n".join(self._log.read_text("utf-8", errors="replace").splitlines()[-count:])


def _end_with_parent() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(END_WITH_PARENT, signal.SIGTERM)


def _free_port(first_choice: int) -> int:
    for port in (first_choice, 0):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
            return int(probe.getsockname()[1])
    raise RuntimeError("There is no free port on 127.0.0.1")
