"""Files that have no name any more: as long as a process has them open or mapped, they take room on the disk."""

from __future__ import annotations

import os
import stat

_MOST_MAP_BYTES = 1024 * 1024
"""Some ten thousand mappings, twenty times what code with threads and many modules has. More of them would keep the
supervisor busy with reading."""


class DeletedFiles:
    """Those of the process that writes to this folder."""

    def __init__(self, folder: str) -> None:
        self._within = os.fsencode(f"{os.path.realpath(folder)}/".replace("\n", "\\012"))
        self._only_mapped: set[int] = set()

    def size(self, process: int) -> int | None:
        """In bytes. None where they can't be measured: with mappings without end, or of a file that is not open."""
        open_files = _open_files(process)
        mapped = self._mapped_files(process)
        if mapped is None:
            return None
        only_mapped = mapped - open_files.keys()
        # Whoever is done with a file closes it first and then gives up its mapping: one look could fall between.
        hidden = only_mapped & self._only_mapped
        self._only_mapped = only_mapped
        return None if hidden else sum(open_files.values())

    def _mapped_files(self, process: int) -> set[int] | None:
        mappings = _mappings(process)
        if len(mappings) > _MOST_MAP_BYTES:
            return None
        found: set[int] = set()
        if b" (deleted)\n" in mappings:
            for line in mappings.splitlines():
                if line.endswith(b" (deleted)"):
                    *_, inode, path = line.split(None, 5)
                    if path.startswith(self._within):
                        found.add(int(inode))
        return found


def _open_files(process: int) -> dict[int, int]:
    """The size of each by its inode."""
    sizes: dict[int, int] = {}
    for thread in _threads(process):
        try:
            numbers = os.listdir(f"{thread}/fd")
        except (FileNotFoundError, ProcessLookupError):
            continue
        for number in numbers:
            try:
                about = os.stat(f"{thread}/fd/{number}")
            except (FileNotFoundError, ProcessLookupError):
                continue
            if stat.S_ISREG(about.st_mode) and about.st_nlink == 0:
                sizes[about.st_ino] = about.st_size
        if numbers:
            break
    return sizes


def _mappings(process: int) -> bytes:
    for thread in _threads(process):
        try:
            with open(f"{thread}/maps", "rb") as maps:
                if found := maps.read(_MOST_MAP_BYTES + 1):
                    return found
        except (FileNotFoundError, ProcessLookupError):
            continue
    return b""


def _threads(process: int) -> list[str]:
    """They share files and memory, but one that has ended seems to have none: also the first, whose number is the
    process's, and which can end before the others."""
    try:
        return [f"/proc/{process}/task/{thread}" for thread in os.listdir(f"/proc/{process}/task")]
    except (FileNotFoundError, ProcessLookupError):
        return []
