"""The working folder of one run, which hostile code writes to."""

from __future__ import annotations

import os
import stat

from .deleted_files import DeletedFiles

MOST_ENTRIES = 2_000
"""Files and folders together; a run that makes more is ended."""


class ScratchFolder:
    """There from its making to `remove`."""

    def __init__(self, within: str) -> None:
        self.path = os.path.join(within, f"roadworthy-sandbox-{os.urandom(8).hex()}")
        os.mkdir(self.path, 0o700)
        self._deleted = DeletedFiles(self.path)

    def fill(self, files: dict[str, bytes]) -> None:
        for name, content in files.items():
            path = os.path.join(self.path, name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "wb") as file:
                file.write(content)

    def is_larger_than(self, most_bytes: int, process: int) -> bool:
        """With the files that the process has deleted and still writes to. Also where there are too many, or they can't
        be looked through: then somebody tries to hide something."""
        try:
            size = self._deleted.size(process)
            if size is None:
                return True
            entries = 0
            folders = [self.path]
            while folders:
                with os.scandir(folders.pop()) as found:
                    for entry in found:
                        entries += 1
                        size += entry.stat(follow_symlinks=False).st_size
                        if size > most_bytes or entries > MOST_ENTRIES:
                            return True
                        if entry.is_dir(follow_symlinks=False):
                            folders.append(entry.path)
        except (FileNotFoundError, ProcessLookupError):
            return False
        except OSError:
            return True
        return size > most_bytes

    def kept(self, names: list[str], most_bytes: int) -> dict[str, bytes]:
        """Those of the files that are there, as long as they are no more than this together."""
        found: dict[str, bytes] = {}
        for name in names:
            path = os.path.join(self.path, name)
            try:
                about = os.lstat(path)
                if stat.S_ISREG(about.st_mode) and about.st_size <= most_bytes:
                    with open(path, "rb") as file:
                        found[name] = file.read(most_bytes)
                    most_bytes -= about.st_size
            except OSError:
                continue
        return found

    def remove(self) -> None:
        """Whatever is in it. No folder is entered below the first: they may be nested deeper than a path is long."""
        folders = [self.path]
        while folders:
            folder = folders[-1]
            inner: list[str] = []
            with os.scandir(folder) as entries:
                for entry in entries:
                    if not entry.is_dir(follow_symlinks=False):
                        os.unlink(entry.path)
                    elif folder == self.path:
                        inner.append(entry.path)
                    else:
                        # A name that could be guessed could be taken.
                        lifted = os.path.join(self.path, f".removed-{os.urandom(16).hex()}")
                        os.rename(entry.path, lifted)
                        inner.append(lifted)
            if inner:
                folders += inner
            else:
                os.rmdir(folder)
                folders.pop()
