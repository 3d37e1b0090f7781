"""Takes from a process everything that code of a model must not have."""

from __future__ import annotations

import ctypes
import os
import resource
import stat
import struct
import sys

from .bounds import Bounds
from .landlock import (
    OLDEST_USABLE,
    OWN_FOLDER,
    READ,
    READ_AND_WRITE_ONE_FILE,
    READ_ONE_FILE,
    allow_only,
    landlock_version,
)
from .seccomp import MACHINES, refuse_system_calls

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

FIRST_USER, USERS = 61_184, 4_000
"""Belong to nobody: systemd and Debian keep them for users that exist while a process does."""
MOST_OPEN_FILES = 64

_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_SET_KEEPCAPS, _SIGKILL = 1, 4, 8, 9
_MAY_READ_EVERYTHING = 1 << 2
"""CAP_DAC_READ_SEARCH."""
_CAPABILITIES = 0x20080522
_OTHER_PACKAGES = ("site-packages", "dist-packages")
_WITHOUT_SECRETS = ("/etc/ld.so.cache", "/dev/urandom")
_TIME_ZONES = "/usr/share/zoneinfo"


class CannotConfine(Exception):
    """What is missing on this machine, in words."""


def give_up_root() -> bool:
    """Whether this process was root's: it then belongs to a user of its own, without the powers of root.

    Where Python itself lies in somebody's private folder, reading past permissions stays: Landlock bounds what is read.
    CannotConfine where it is root and can't become another user.
    """
    if os.geteuid() != 0:
        return False
    user = FIRST_USER + os.getpid() % USERS
    libc = ctypes.CDLL(None, use_errno=True)
    keep_reading = not _is_readable_for_all(os.__file__)
    try:
        if keep_reading:
            _call(libc.prctl, _PR_SET_KEEPCAPS, 1, 0, 0, 0)
        os.setgroups([])
        os.setresgid(user, user, user)
        os.setresuid(user, user, user)
        if keep_reading:
            kept = struct.pack("<6I", _MAY_READ_EVERYTHING, _MAY_READ_EVERYTHING, 0, 0, 0, 0)
            _call(libc.capset, struct.pack("<Ii", _CAPABILITIES, 0), kept)
        # Forgotten at a change of user: without it not even this user's own processes see what files it has open.
        _call(libc.prctl, _PR_SET_DUMPABLE, 1, 0, 0, 0)
    except OSError as error:
        raise CannotConfine(f"run it as another user: it is root and can't become one ({error})") from error
    return True


def confine(folder: str, supervisor: int, bounds: Bounds, *, own_user: bool) -> None:
    """This process, for good; it must have one thread. CannotConfine where anything of it fails."""
    machine = os.uname().machine
    version = landlock_version()
    if version < OLDEST_USABLE:
        raise CannotConfine(
            "the kernel has no Landlock of Linux 6.2 or newer, or has it switched off (`lsm=` at boot, or a seccomp "
            "profile of the container)"
        )
    if machine not in MACHINES:
        raise CannotConfine(f"processors of the kind {machine} are not known to it")
    try:
        os.chdir(folder)
        _die_first()
        _end_with(supervisor)
        _limit(bounds, own_user=own_user)
        allow_only(_rules(folder), version)
        refuse_system_calls(machine)
    except OSError as error:
        raise CannotConfine(str(error)) from error


def _die_first() -> None:
    """Of all processes where the machine runs out of memory."""
    try:
        with open("/proc/self/oom_score_adj", "w") as score:
            score.write("1000")
    except OSError:
        return


def _end_with(supervisor: int) -> None:
    """When the supervisor is gone, however it went."""
    _call(ctypes.CDLL(None, use_errno=True).prctl, _PR_SET_PDEATHSIG, _SIGKILL, 0, 0, 0)
    if os.getppid() != supervisor:
        os._exit(1)


def _limit(bounds: Bounds, *, own_user: bool) -> None:
    cpu = max(1, -int(-bounds.cpu_seconds // 1))
    limits = {
        resource.RLIMIT_AS: (bounds.memory_bytes,) * 2,
        # One second to be killed in, should it pass over the first signal.
        resource.RLIMIT_CPU: (cpu, cpu + 1),
        resource.RLIMIT_FSIZE: (bounds.disk_bytes,) * 2,
        resource.RLIMIT_NOFILE: (MOST_OPEN_FILES,) * 2,
        resource.RLIMIT_CORE: (0, 0),
        resource.RLIMIT_MEMLOCK: (0, 0),
        resource.RLIMIT_MSGQUEUE: (0, 0),
    }
    if own_user:
        # Counted by user, the supervisor too. For the worker's own user it would count the worker.
        limits[resource.RLIMIT_NPROC] = (bounds.processes + 1,) * 2
    for which, values in limits.items():
        hard = resource.getrlimit(which)[1]
        allowed = [value if hard == resource.RLIM_INFINITY else min(value, hard) for value in values]
        resource.setrlimit(which, (allowed[0], allowed[1]))


def _rules(folder: str) -> Iterator[tuple[str, int]]:
    yield folder, OWN_FOLDER
    yield "/dev/null", READ_AND_WRITE_ONE_FILE
    yield from ((path, READ_ONE_FILE) for path in _WITHOUT_SECRETS)
    yield _TIME_ZONES, READ
    standard = os.path.dirname(os.__file__)
    # One by one: packages that the worker has installed lie in the same folder.
    with os.scandir(standard) as entries:
        for entry in entries:
            if entry.name not in _OTHER_PACKAGES:
                yield entry.path, READ if entry.is_dir() else READ_ONE_FILE
    yield from _libraries()


def _libraries() -> Iterator[tuple[str, int]]:
    """Shared libraries that modules of the standard library need. They can be loaded and not listed."""
    yield f"/usr/lib/{os.uname().machine}-linux-gnu", READ_ONE_FILE
    # Here lie folders of other things beside them.
    for folder in ("/usr/lib64", "/usr/local/lib", os.path.join(sys.base_prefix, "lib")):
        try:
            with os.scandir(folder) as entries:
                found = [entry.path for entry in entries if ".so" in entry.name and entry.is_file()]
        except OSError:
            continue
        yield from ((each, READ_ONE_FILE) for each in found)


def _is_readable_for_all(path: str) -> bool:
    folder: str = os.path.dirname(os.path.realpath(path))
    while os.stat(folder).st_mode & stat.S_IXOTH:
        if folder == "/":
            return True
        folder = os.path.dirname(folder)
    return False


def _call(function: Callable[..., int], *arguments: object) -> None:
    if function(*arguments) < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
