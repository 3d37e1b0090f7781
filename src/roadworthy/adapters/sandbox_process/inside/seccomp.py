"""seccomp: which system calls a process may make. No privileges needed, and no way back."""

from __future__ import annotations

import ctypes
import errno
import os
import struct

from .syscalls import ALLOWED, BY_ARGUMENTS, OUTDATED_KERNEL, UNSUPPORTED, WITHOUT_EFFECT, Numbers

MACHINES = {"x86_64": (0xC000003E, 0), "aarch64": (0xC00000B7, 1)}
"""The kernel's name for it, and its place in the tables of `syscalls.py`."""

_PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP, _MODE_FILTER = 38, 22, 2
_KILL, _ERRNO, _ALLOW = 0x80000000, 0x00050000, 0x7FFF0000
_X32 = 0x40000000
"""Numbers from here on are a second table of x86-64, with the same calls."""
_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN, _AND = 0x20, 0x15, 0x35, 0x45, 0x06, 0x54

_CLONE_NEW = 0x7E020080
"""Every kind of namespace."""
_CLONE_THREAD = 0x00010F00
"""A thread that shares memory, folders, open files and signals with the others: with files of its own it could hide
some."""
_CLOSE_RANGE_UNSHARE = 2
_O_TMPFILE = 0x00400000
_AF_UNIX, _SOCK_STREAM, _SOCK_FLAGS = 1, 1, 0o2004000
_PRCTL = (15, 16)
"""Setting and getting a thread's name."""
_FCNTL = (0, 1, 2, 3, 4, 5, 6, 7, 36, 37, 38, 1030, 1032)
"""Duplicates, flags and locks; not those that have signals sent."""
_IOCTL = (0x5401, 0x5413, 0x541B, 0x5421, 0x5450, 0x5451)
"""Is it a terminal, how large is it, how much is there to read, and three flags."""

_Step = tuple[int, int, int, int]


def refuse_system_calls(machine: str) -> None:
    """For this thread and those that it starts. OSError where the kernel can't."""
    name, column = MACHINES[machine]
    steps = _filter(name, column, os.getpid())
    code = b"".join(struct.pack("<HBBI", *step) for step in steps)
    buffer = ctypes.create_string_buffer(code, len(code))
    program = struct.pack("<H6xQ", len(steps), ctypes.addressof(buffer))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) or libc.prctl(_PR_SET_SECCOMP, _MODE_FILTER, program, 0, 0):
        raise OSError(ctypes.get_errno(), "the kernel takes no seccomp filter")


def _filter(machine: int, column: int, own_process: int) -> list[_Step]:
    steps: list[_Step] = [
        (_LOAD, 0, 0, 4),
        (_EQUAL, 1, 0, machine),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, 0),
        (_AT_LEAST, 0, 1, _X32),
        (_RETURN, 0, 0, _KILL),
    ]
    for table, answer in (
        (ALLOWED, _ALLOW),
        (WITHOUT_EFFECT, _ERRNO),
        (UNSUPPORTED, _ERRNO | errno.EOPNOTSUPP),
        (OUTDATED_KERNEL, _ERRNO | errno.ENOSYS),
    ):
        for numbers in table.values():
            steps += _case(numbers, column, [(_RETURN, 0, 0, answer)])
    for name, block in _by_arguments(own_process).items():
        steps += _case(BY_ARGUMENTS[name], column, block)
    return [*steps, (_RETURN, 0, 0, _ERRNO | errno.EPERM)]


def _case(numbers: Numbers, column: int, block: list[_Step]) -> list[_Step]:
    """What to do for one system call; every way through the block ends with an answer."""
    number = numbers[column]
    return [] if number is None else [(_EQUAL, 0, len(block), number), *block]


def _by_arguments(own_process: int) -> dict[str, list[_Step]]:
    to_itself = _if_one_of(0, (own_process,))
    return {
        # A thread, and no new process: one that may not exist can't be forgotten, and limits hold for all of it.
        "clone": [
            (_LOAD, 0, 0, _low(0)),
            (_ANY_BIT, 3, 0, _CLONE_NEW),
            (_AND, 0, 0, _CLONE_THREAD),
            (_EQUAL, 0, 1, _CLONE_THREAD),
            (_RETURN, 0, 0, _ALLOW),
            (_RETURN, 0, 0, _ERRNO | errno.EPERM),
        ],
        # Not what gives a thread open files of its own, as above.
        "close_range": _unless_bit(2, _CLOSE_RANGE_UNSHARE),
        "kill": to_itself,
        "tgkill": to_itself,
        # asyncio wakes its loop through one. A datagram socket could send to any socket that has a name.
        "socketpair": [
            (_LOAD, 0, 0, _low(0)),
            (_EQUAL, 0, 4, _AF_UNIX),
            (_LOAD, 0, 0, _low(1)),
            (_AND, 0, 0, ~_SOCK_FLAGS & 0xFFFFFFFF),
            (_EQUAL, 0, 1, _SOCK_STREAM),
            (_RETURN, 0, 0, _ALLOW),
            (_RETURN, 0, 0, _ERRNO | errno.EPERM),
        ],
        "sendto": _if_zero(_low(4), _high(4)),
        # Reading its own limits.
        "prlimit64": _if_zero(_low(0), _low(2), _high(2)),
        "prctl": _if_one_of(0, _PRCTL),
        "fcntl": _if_one_of(1, _FCNTL),
        "ioctl": _if_one_of(1, _IOCTL, errno.ENOTTY),
        # A file without a name can't be measured.
        "open": _unless_bit(1, _O_TMPFILE),
        "openat": _unless_bit(2, _O_TMPFILE),
        # A folder that nobody may list could not be measured either.
        "mkdir": _if_owner_may_all(1),
        "mkdirat": _if_owner_may_all(2),
    }


def _low(argument: int) -> int:
    return 16 + 8 * argument


def _high(argument: int) -> int:
    return _low(argument) + 4


def _if_one_of(argument: int, values: tuple[int, ...], otherwise: int = errno.EPERM) -> list[_Step]:
    last = len(values)
    tests = [(_EQUAL, last - at, 0, value) for at, value in enumerate(values)]
    answers = [(_RETURN, 0, 0, _ERRNO | otherwise), (_RETURN, 0, 0, _ALLOW)]
    return [(_LOAD, 0, 0, _low(argument)), *tests, *answers]


def _if_zero(*words: int) -> list[_Step]:
    tests: list[_Step] = []
    for at, word in enumerate(words):
        tests += [(_LOAD, 0, 0, word), (_EQUAL, 0, 2 * (len(words) - at) - 1, 0)]
    return [*tests, (_RETURN, 0, 0, _ALLOW), (_RETURN, 0, 0, _ERRNO | errno.EPERM)]


def _unless_bit(argument: int, bit: int) -> list[_Step]:
    return [
        (_LOAD, 0, 0, _low(argument)),
        (_ANY_BIT, 0, 1, bit),
        (_RETURN, 0, 0, _ERRNO | errno.EOPNOTSUPP),
        (_RETURN, 0, 0, _ALLOW),
    ]


def _if_owner_may_all(argument: int) -> list[_Step]:
    return [
        (_LOAD, 0, 0, _low(argument)),
        (_AND, 0, 0, 0o700),
        (_EQUAL, 0, 1, 0o700),
        (_RETURN, 0, 0, _ALLOW),
        (_RETURN, 0, 0, _ERRNO | errno.EPERM),
    ]
