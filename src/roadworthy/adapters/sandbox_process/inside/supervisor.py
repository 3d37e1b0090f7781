"""Runs one piece of code in a process of its own, watches it, and leaves nothing behind.

It is asked by its standard input and answers by its standard output (`../sandbox.py` is the other side). Its input
stays open as long as somebody wants the answer: when that ends, by a cancellation or because the worker was killed, the
run ends as well.
"""

from __future__ import annotations

import os
import select
import sys
import time

from .bounds import Bounds
from .confine import CannotConfine, confine, give_up_root
from .fields import packed, unpacked
from .run_code import FINISHED, OUT_OF_MEMORY, RAISED, REFUSED, run_code
from .scratch_folder import ScratchFolder

LOOK_SECONDS = 0.01
"""How often time, threads and the folder are measured. Memory and the size of one file the kernel bounds by itself."""
_REPORT = 3
"""The open file to which the code's process says how it ended."""
_CONFINED, _FAILED = b"C", b"F"
_MOST_REPORT_BYTES = 65_536
_SIGKILL, _SIGXCPU = 9, 24
_CRASHES = {4: "SIGILL", 6: "SIGABRT", 7: "SIGBUS", 11: "SIGSEGV"}


def main() -> None:
    fields = unpacked(_asked())
    try:
        own_user = give_up_root()
        folder = ScratchFolder(fields["within"].decode())
        answer: dict[str, bytes] = {}
        try:
            folder.fill(_named(fields, "file:"))
            answer = Supervised(fields, folder, own_user=own_user).run()
        finally:
            answer |= _removed(folder)
    except (CannotConfine, OSError) as error:
        answer = {"failed": str(error).encode()}
    sys.stdout.buffer.write(packed(answer))
    sys.stdout.buffer.flush()


def _asked() -> bytes:
    length = int.from_bytes(sys.stdin.buffer.read(8), "big")
    data = sys.stdin.buffer.read(length)
    if not data or len(data) < length:
        raise SystemExit("nobody asked to the end")
    return data


def _removed(folder: ScratchFolder) -> dict[str, bytes]:
    """What to say of it beside the answer, which is true whatever becomes of the folder."""
    try:
        folder.remove()
    except OSError as error:
        return {"left_behind": str(error).encode()}
    return {}


def _named(fields: dict[str, bytes], kind: str) -> dict[str, bytes]:
    return {name[len(kind) :]: value for name, value in fields.items() if name.startswith(kind)}


class Supervised:
    """One run."""

    def __init__(self, fields: dict[str, bytes], folder: ScratchFolder, *, own_user: bool) -> None:
        self._code = fields["code"].decode()
        self._code_path = fields["code_path"].decode()
        self._keep = list(_named(fields, "keep:"))
        self._bounds = Bounds(fields)
        self._folder = folder
        self._own_user = own_user
        self._heard = {"stdout": bytearray(), "stderr": bytearray(), "report": bytearray()}
        self._ended_for: tuple[str, str] | None = None

    def run(self) -> dict[str, bytes]:
        pipes = {name: os.pipe() for name in self._heard}
        began = time.monotonic()
        supervisor = os.getpid()
        process = os.fork()
        if process == 0:
            self._become_code({name: write for name, (_, write) in pipes.items()}, supervisor)
        for _, write in pipes.values():
            os.close(write)
        status = self._watch(process, {read: name for name, (read, _) in pipes.items()}, began + self._bounds.seconds)
        return self._answer(status, time.monotonic() - began)

    def _become_code(self, pipes: dict[str, int], supervisor: int) -> None:
        try:
            for number, pipe in enumerate((os.open(os.devnull, os.O_RDWR), *(pipes[name] for name in self._heard))):
                os.dup2(pipe, number)
            os.closerange(_REPORT + 1, 4096)
            os.environ.clear()
            os.environ.update(HOME=self._folder.path, TMPDIR=self._folder.path, LANG="C.UTF-8", OMP_NUM_THREADS="1")
            sys.path.remove(self._code_path)
            sys.stdin = open(0, encoding="utf-8")  # noqa: SIM115 they stay open
            sys.stdout = open(1, "w", encoding="utf-8", errors="backslashreplace")  # noqa: SIM115
            sys.stderr = open(2, "w", 1, encoding="utf-8", errors="backslashreplace")  # noqa: SIM115
            confine(self._folder.path, supervisor, self._bounds, own_user=self._own_user)
            os.write(_REPORT, _CONFINED)
            run_code(self._code, self._folder.path, _REPORT, min(self._bounds.output_bytes, _MOST_REPORT_BYTES // 8))
        except CannotConfine as error:
            os.write(_REPORT, _FAILED + str(error).encode())
        finally:
            os._exit(1)

    def _watch(self, process: int, pipes: dict[int, str], deadline: float) -> int:
        """Until it has ended; how it did."""
        poll = select.poll()
        for pipe in (0, *pipes):
            os.set_blocking(pipe, False)
            poll.register(pipe, select.POLLIN)
        while True:
            for pipe, _ in poll.poll(LOOK_SECONDS * 1000):
                if not self._hear(pipe, pipes.get(pipe, "asker")):
                    poll.unregister(pipe)
            ended, status = os.waitpid(process, os.WNOHANG)
            if ended:
                for pipe, name in pipes.items():
                    while self._hear(pipe, name):
                        pass
                return status
            self._ended_for = self._ended_for or self._too_much(process, deadline)
            if self._ended_for is not None:
                os.kill(process, _SIGKILL)

    def _hear(self, pipe: int, name: str) -> bool:
        """Whether there may be more."""
        try:
            data = os.read(pipe, 65_536)
        except BlockingIOError:
            return False
        if name == "asker":
            self._ended_for = ("cancelled", "")
            return bool(data)
        heard = self._heard[name]
        room = (_MOST_REPORT_BYTES if name == "report" else self._bounds.output_bytes + 1) - len(heard)
        heard += data[: max(room, 0)]
        return bool(data)

    def _too_much(self, process: int, deadline: float) -> tuple[str, str] | None:
        bounds = self._bounds
        if time.monotonic() > deadline:
            return "out_of_time", f"it ran longer than {bounds.seconds:g} s"
        if _threads(process) > bounds.processes:
            return "refused", f"it started more than {bounds.processes} threads"
        if self._folder.is_larger_than(bounds.disk_bytes, process):
            words = f"it wrote more than {bounds.disk_bytes:,} bytes, or too many files, to its folder, or hid some"
            return "refused", words
        return None

    def _answer(self, status: int, seconds: float) -> dict[str, bytes]:
        report = bytes(self._heard["report"])
        if not report.startswith(_CONFINED) and self._ended_for is None:
            return {"failed": report.removeprefix(_FAILED) or _how_it_died(status).encode()}
        end, words, result = self._end(report[1:], status)
        answer = {"end": end.encode(), "words": words, "seconds": str(seconds).encode()}
        for name in ("stdout", "stderr"):
            answer[name] = self._cut(self._heard[name])
        if result is not None:
            answer["result"] = result
        kept = self._folder.kept(self._keep, self._bounds.disk_bytes) if end == "finished" else {}
        for name, content in kept.items():
            answer[f"file:{name}"] = content
        return answer

    def _cut(self, written: bytearray) -> bytes:
        most = self._bounds.output_bytes
        if len(written) <= most:
            return bytes(written)
        return bytes(written[:most]) + f"\n[cut here: it wrote more than {most:,} bytes]".encode()

    def _end(self, report: bytes, status: int) -> tuple[str, bytes, bytes | None]:
        """Why it is no longer running, in words where it can't say so itself, and its result."""
        if self._ended_for is not None:
            end, words = self._ended_for
            return end, words.encode(), None
        if os.WIFSIGNALED(status):
            if os.WTERMSIG(status) in (_SIGXCPU, _SIGKILL):
                words = f"it computed for longer than {self._bounds.cpu_seconds:g} s"
                return "out_of_time", words.encode(), None
            return "raised", _how_it_died(status).encode(), None
        kind, said = report[:1], report[1:]
        if kind == OUT_OF_MEMORY:
            words = f"it needed more than {self._bounds.memory_bytes:,} bytes of memory"
            return "out_of_memory", words.encode(), None
        if kind in (RAISED, REFUSED):
            return "raised" if kind == RAISED else "refused", said, None
        if kind != FINISHED and status:
            return "raised", _how_it_died(status).encode(), None
        return "finished", b"", said[1:] if said[:1] == b"=" else None


def _threads(process: int) -> int:
    try:
        with open(f"/proc/{process}/status") as status:
            return int(status.read().partition("Threads:")[2].split(maxsplit=1)[0])
    except (OSError, IndexError):
        return 0


def _how_it_died(status: int) -> str:
    if not os.WIFSIGNALED(status):
        return f"it exited with code {os.WEXITSTATUS(status)}"
    number = os.WTERMSIG(status)
    return f"it crashed ({_CRASHES[number]})" if number in _CRASHES else f"signal {number} ended it"
