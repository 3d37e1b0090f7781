"""The data folder: private, owned by one process at a time, with a place for sockets."""

import asyncio
import contextlib
import fcntl
import os
import re
import shutil
import tempfile
import time
from pathlib import Path

from roadworthy.adapters.embedded.failure import explain_os_error
from roadworthy.domain.errors import DataFolderInUse, EmbeddedServerFailed

LONGEST_SOCKET_PATH = 103
"""Bytes: `sun_path` takes 104 on macOS and 108 on Linux, with the closing zero."""

_LONGEST_SOCKET_NAME = "/.s.PGSQL.5432"
_SHORT_PREFIX = "roadworthy-"
_OWNER_LOCK = "owner.lock"
_LOCK_POLL_SECONDS = 0.005


class DataFolder:
    """A folder that is ours alone from `open` to `close`, or until we die.

    `open` raises DataFolderInUse, or EmbeddedServerFailed when the folder can't be made, written or kept private.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.expanduser().absolute()
        self.sockets = self.path / "sockets"
        self._owner_lock: int | None = None

    def open(self) -> None:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with contextlib.suppress(FileExistsError):
                self.path.mkdir(mode=0o700)
            self.path = self.path.resolve()
            self._make_private()
            self._take()
            self._make_socket_folder()
        except OSError as error:
            self.close()
            raise explain_os_error(error, self.path) from error

    def close(self) -> None:
        if self._owner_lock is None:
            return
        with contextlib.suppress(OSError):  # a folder that somebody deleted meanwhile is closed too
            self._remove_sockets()
        os.ftruncate(self._owner_lock, 0)
        # Closing would not do when the process was forked meanwhile: the fork has the same lock open.
        fcntl.flock(self._owner_lock, fcntl.LOCK_UN)
        os.close(self._owner_lock)
        self._owner_lock = None

    def owner(self) -> tuple[int, int]:
        """uid and gid."""
        status = self.path.stat()
        return status.st_uid, status.st_gid

    def subfolder(self, name: str) -> Path:
        """A private folder inside, made if it is missing."""
        folder = self.path / name
        folder.mkdir(mode=0o700, exist_ok=True)
        self._belong_to_owner(folder)
        return folder

    def give_to(self, uid: int, gid: int) -> None:
        """Change the owner of the folder and of everything in it; for root only."""
        for folder, _, files in os.walk(self.path):
            for path in (Path(folder), *(Path(folder, name) for name in files)):
                os.chown(path, uid, gid, follow_symlinks=False)
        os.chown(self.sockets, uid, gid)

    async def lock_server(self, name: str, *, deadline_seconds: float) -> int:
        """A descriptor that holds the lock of one server, to be inherited by it and closed by the caller.

        Waits for a server of a previous owner that is still shutting down: its processes hold the same lock.
        """
        path = self.path / f"{name}.lock"
        lock = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            self._belong_to_owner(path)
            deadline = time.monotonic() + deadline_seconds
            while not _try_lock(lock):
                if time.monotonic() > deadline:
                    raise DataFolderInUse(
                        f"A previous {name} server is still using the data folder {self.path} and does not end. "
                        f"See who holds {path} (`fuser {path}`), end it and start again."
                    )
                await asyncio.sleep(_LOCK_POLL_SECONDS)
        except BaseException:
            os.close(lock)
            raise
        return lock

    def _make_private(self) -> None:
        status = self.path.stat()
        if os.geteuid() not in (0, status.st_uid):
            raise EmbeddedServerFailed(
                f"The data folder {self.path} belongs to another user ({status.st_uid}). "
                "Choose one of your own with ROADWORTHY_DATA_DIR."
            )
        if status.st_mode & 0o077:
            # Never close a folder to others that holds more than our data: it could be /tmp or somebody's home.
            if any(self.path.iterdir()) and not (self.path / _OWNER_LOCK).exists():
                raise EmbeddedServerFailed(
                    f"The data folder {self.path} holds other files and is open to other users. "
                    "Choose a new or empty folder with ROADWORTHY_DATA_DIR."
                )
            self.path.chmod(0o700)

    def _take(self) -> None:
        path = self.path / _OWNER_LOCK
        lock = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        if not _try_lock(lock):
            owner = os.read(lock, 32).decode().strip() or "another process"
            os.close(lock)
            raise DataFolderInUse(
                f"The data folder {self.path} is in use by process {owner}. "
                "Stop that one first, or choose another folder with ROADWORTHY_DATA_DIR."
            )
        self._owner_lock = lock
        os.ftruncate(lock, 0)
        os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
        self._belong_to_owner(path)
        ignore = self.path / ".gitignore"
        if not ignore.exists():  # the folder is often in the middle of a project
            ignore.write_text("*\n")
            self._belong_to_owner(ignore)

    def _make_socket_folder(self) -> None:
        self._remove_sockets()  # of an owner that was killed
        # Commas separate hosts in connection strings and folders in PostgreSQL's settings.
        plain = re.fullmatch(r"[A-Za-z0-9._/+-]+", str(self.sockets)) is not None
        if plain and len(str(self.sockets) + _LONGEST_SOCKET_NAME) <= LONGEST_SOCKET_PATH:
            self.subfolder("sockets")
            return
        parent = tempfile.gettempdir() if len(tempfile.gettempdir()) < 60 else "/tmp"  # noqa: S108
        short = Path(tempfile.mkdtemp(prefix=_SHORT_PREFIX, dir=parent))
        self._belong_to_owner(short)
        # The next owner finds it by this link if we are killed.
        self.sockets.symlink_to(short)
        self.sockets = short

    def _remove_sockets(self) -> None:
        self.sockets = self.path / "sockets"
        if self.sockets.is_symlink():
            short = self.sockets.readlink()
            if short.name.startswith(_SHORT_PREFIX) and short.is_dir() and short.stat().st_uid == self.owner()[0]:
                shutil.rmtree(short, ignore_errors=True)
            self.sockets.unlink()
        else:
            shutil.rmtree(self.sockets, ignore_errors=True)

    def _belong_to_owner(self, path: Path) -> None:
        if os.geteuid() == 0:
            os.chown(path, *self.owner())


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
