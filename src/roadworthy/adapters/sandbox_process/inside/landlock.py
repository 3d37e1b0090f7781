"""Landlock: which files a process may touch. No privileges needed, and no way back."""

from __future__ import annotations

import ctypes
import os
import struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

OLDEST_USABLE = 3
"""Of the kernel's versions of Landlock, that of Linux 6.2: before, files outside could be emptied."""

_CREATE, _ADD, _RESTRICT = 444, 445, 446
_WRITE_FILE, _READ_FILE, _READ_DIR, _REMOVE_DIR, _REMOVE_FILE = 1 << 1, 1 << 2, 1 << 3, 1 << 4, 1 << 5
_MAKE_DIR, _MAKE_REG, _REFER, _TRUNCATE = 1 << 7, 1 << 8, 1 << 13, 1 << 14
_ALL_OF_FILES = {3: (1 << 15) - 1, 4: (1 << 15) - 1, 5: (1 << 16) - 1}
_BIND_AND_CONNECT, _ABSTRACT_SOCKETS_AND_SIGNALS = 3, 3
_PR_SET_NO_NEW_PRIVS = 38

READ = _READ_FILE | _READ_DIR
READ_ONE_FILE = _READ_FILE
READ_AND_WRITE_ONE_FILE = _READ_FILE | _WRITE_FILE
# No links, sockets, pipes or devices: what reads the folder afterwards meets files and folders.
OWN_FOLDER = READ | _WRITE_FILE | _REMOVE_DIR | _REMOVE_FILE | _MAKE_DIR | _MAKE_REG | _REFER | _TRUNCATE


def landlock_version() -> int:
    """The kernel's; 0 where it has no Landlock or has it switched off."""
    return max(_libc().syscall(_CREATE, None, ctypes.c_size_t(0), 1), 0)


def allow_only(rules: Iterable[tuple[str, int]], version: int) -> None:
    """Of all files those beneath these paths, with these rights, and no TCP. OSError where the kernel can't.

    Paths that do not exist are passed over.
    """
    libc = _libc()
    files = _ALL_OF_FILES[min(version, max(_ALL_OF_FILES))]
    handled = struct.pack("<Q", files)
    if version >= 4:
        handled += struct.pack("<Q", _BIND_AND_CONNECT)
    if version >= 6:
        handled += struct.pack("<Q", _ABSTRACT_SOCKETS_AND_SIGNALS)
    ruleset = _checked(libc.syscall(_CREATE, handled, ctypes.c_size_t(len(handled)), 0))
    for path, rights in rules:
        try:
            place = os.open(path, os.O_PATH | os.O_CLOEXEC)
        except OSError:
            continue
        _checked(libc.syscall(_ADD, ruleset, 1, struct.pack("<Qi", rights, place), 0))
        os.close(place)
    _checked(libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
    _checked(libc.syscall(_RESTRICT, ruleset, 0))
    os.close(ruleset)


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _checked(result: int) -> int:
    if result < 0:
        raise OSError(ctypes.get_errno(), f"Landlock: {os.strerror(ctypes.get_errno())}")
    return result
