"""Runs one server and ends it when the process that asked for it is gone, however that one died.

This file is started as a script (`python -I -S guardian.py PARENT RUN_AS STOP_PLAN LOG FOLDER COMMAND…`) and imports
only cheap parts of the standard library, because its start is part of every start. It tells its parent on standard
output `started PID` or `refused KIND DETAIL`, ends when the server ends, with the server's exit status (128 + signal),
and then says the server's last words. Closing its standard input asks it to stop the server.

Descriptors that it inherits stay open in the server and in all of the server's children: the lock on the data folder
is held until the last of them is gone.
"""

# pathlib would take a third of the start.
# ruff: noqa: PTH104, PTH116, PTH120, PTH123

import contextlib
import ctypes
import os
import select
import signal
import sys
import time

LOG_BYTES = 1_000_000
"""A log grows to this size, then becomes `NAME.1`; so a server's logs take at most twice that."""

LAST_WORDS_BYTES = 4096

_CLONE_NEWUSER = 0x10000000
_PR_SET_PDEATHSIG = 1


class Refused(Exception):
    """The server was not started: `KIND DETAIL`."""


class ServerLog:
    """The server's output: bounded on the disk, its end in memory."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.last_words = b""
        self._file: int | None = None

    def write(self, data: bytes) -> None:
        self.last_words = (self.last_words + data)[-LAST_WORDS_BYTES:]
        # A full disk must not end a server that could still read.
        with contextlib.suppress(OSError):
            if self._file is not None and os.fstat(self._file).st_size > LOG_BYTES:
                os.rename(self.path, self.path + ".1")
                os.close(self._file)
                self._file = None
            if self._file is None:
                self._file = self._open()
            os.write(self._file, data)

    def _open(self) -> int:
        file = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        if os.geteuid() == 0:  # the folder may belong to a user who starts without root next time
            folder = os.stat(os.path.dirname(self.path))
            os.fchown(file, folder.st_uid, folder.st_gid)
        return file


def enter_user_namespace(uid: int, gid: int) -> None:
    """Be `uid` in a namespace of our own while staying, for the rest of the system, who we are."""
    outer_uid, outer_gid = os.geteuid(), os.getegid()
    if not sys.platform.startswith("linux"):
        raise Refused("namespace this system has no user namespaces")
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_CLONE_NEWUSER) != 0:
        raise Refused(f"namespace {os.strerror(ctypes.get_errno())}")
    try:
        for name, line in (
            ("setgroups", "deny"),
            ("uid_map", f"{uid} {outer_uid} 1"),
            ("gid_map", f"{gid} {outer_gid} 1"),
        ):
            with open(f"/proc/self/{name}", "w") as file:
                file.write(line)
    except OSError as error:
        raise Refused(f"namespace {error.strerror}") from error


def become(run_as: str) -> None:
    """`self`, `namespace:UID:GID` or `user:UID:GID`."""
    kind, _, ids = run_as.partition(":")
    if kind == "self":
        return
    uid, gid = (int(number) for number in ids.split(":"))
    if kind == "namespace":
        enter_user_namespace(uid, gid)
    else:
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)


def end_with_guardian(guardian: int, end_signal: int) -> None:
    """The kernel ends the server if the guardian itself is killed. Only after `become`, which would clear it."""
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, end_signal)
    if os.getppid() != guardian:  # it died before we asked
        os._exit(1)


def start_server(command: list[str], folder: str, run_as: str, end_signal: int, output: int) -> int:
    """Fork, change who we are and exec. Raises Refused with what went wrong on the way."""
    # Closed by a successful exec: then there is nothing to read.
    problem_read, problem_write = os.pipe()
    guardian = os.getpid()
    server = os.fork()
    if server == 0:
        problem = ""
        try:
            become(run_as)
            end_with_guardian(guardian, end_signal)
            for path, needed in ((folder, os.R_OK | os.W_OK | os.X_OK), (command[0], os.R_OK | os.X_OK)):
                if not os.access(path, needed):
                    raise Refused(f"reach {path}")
            for number in (signal.SIGPIPE, signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD):
                signal.signal(number, signal.SIG_DFL)
            os.umask(0o077)
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            os.dup2(output, 1)
            os.dup2(output, 2)
            os.execv(command[0], command)  # noqa: S606  (the caller's own list of words)
        except Refused as refused:
            problem = str(refused)
        except OSError as error:
            problem = f"exec {error.strerror}"
        os.write(problem_write, problem.encode())
        os._exit(1)
    os.close(problem_write)
    problem = os.read(problem_read, 4096).decode()
    os.close(problem_read)
    if problem:
        os.waitpid(server, 0)
        raise Refused(problem)
    return server


def watch_parent(parent: int) -> int | None:
    """A descriptor that becomes readable when the parent is gone; None where only the pipe can tell."""
    watch = None
    if sys.platform.startswith("linux"):
        # The pipe alone would not do: a fork of the parent holds its other end open too.
        with contextlib.suppress(OSError):
            watch = os.pidfd_open(parent)
    return watch


def guard(server: int, parent: int, stop_plan: list[tuple[int, float]], output: int, wake: int, log: ServerLog) -> int:
    """Wait until the server has ended; end it, with rising force, when the parent wants that or is gone."""
    parent_watch = watch_parent(parent)
    poll = select.poll()
    for descriptor in (0, output, wake, parent_watch):
        if descriptor is not None:
            poll.register(descriptor, select.POLLIN)
    stopping, remaining, deadline = os.getppid() != parent, list(stop_plan), 0.0
    while True:
        if stopping and time.monotonic() >= deadline:
            number, patience = remaining.pop(0) if remaining else (int(signal.SIGKILL), 1.0)
            os.kill(server, number)
            os.kill(server, signal.SIGCONT)  # a stopped one would not hear it
            deadline = time.monotonic() + patience
        for descriptor, _ in poll.poll(max(0.0, deadline - time.monotonic()) * 1000 if stopping else None):
            data = b"" if descriptor == parent_watch else os.read(descriptor, 65536)
            if descriptor == output and data:
                log.write(data)
            elif descriptor == wake:
                stopping = stopping or signal.SIGTERM in data
            elif not data:
                poll.unregister(descriptor)
                stopping = stopping or descriptor != output
        ended, status = os.waitpid(server, os.WNOHANG)
        if ended:
            os.set_blocking(output, False)  # a child of the server may still hold the other end
            with contextlib.suppress(BlockingIOError):
                while data := os.read(output, 65536):
                    log.write(data)
            code = os.waitstatus_to_exitcode(status)
            return code if code >= 0 else 128 - code


def _leave_to_wakeup(number: int, frame: object) -> None:
    """A handler that does nothing: the number is read from the wakeup descriptor."""


def main(parent: int, run_as: str, stop_plan: str, log_path: str, folder: str, command: list[str]) -> int:
    wake_read, wake_write = os.pipe()
    os.set_blocking(wake_write, False)
    signal.set_wakeup_fd(wake_write)
    # Handlers, not SIG_IGN: those would be inherited. A terminal's Ctrl-C is the parent's business.
    for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, _leave_to_wakeup)
    plan = [(int(number), float(patience)) for number, patience in (step.split(":") for step in stop_plan.split(","))]
    log = ServerLog(log_path)
    output_read, output_write = os.pipe()
    try:
        server = start_server(command, folder, run_as, plan[0][0], output_write)
    except Refused as refused:
        os.write(1, f"refused {refused}\n".encode())
        return 1
    os.close(output_write)
    with contextlib.suppress(BrokenPipeError):
        os.write(1, f"started {server}\n".encode())
    status = guard(server, parent, plan, output_read, wake_read, log)
    with contextlib.suppress(BrokenPipeError):
        os.write(1, log.last_words)
    return status


if __name__ == "__main__":
    _parent, _run_as, _stop_plan, _log_path, _folder = sys.argv[1:6]
    sys.exit(main(int(_parent), _run_as, _stop_plan, _log_path, _folder, sys.argv[6:]))
