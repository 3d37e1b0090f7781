"""What lies around a sandbox for hostile code to want."""

from __future__ import annotations

import asyncio
import os
import platform
import secrets
import socket
import subprocess
import sys
import tempfile
from collections.abc import Generator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from roadworthy.ports.sandbox import Sandbox, SandboxLimits
from roadworthy.testing.conformance.sandbox_escapes import NUMBERS

VARIABLE = "ROADWORTHY_ESCAPE"
_AT_ONCE = 4


@dataclass(frozen=True)
class SandboxGround:
    """A folder, sockets, a variable, an open file and another process: none of them may be had."""

    outside: Path
    canary: str
    listeners: Mapping[str, socket.socket]
    victim: subprocess.Popen[bytes]
    open_file: int

    @property
    def names(self) -> str:
        """The code that an attempt begins with."""
        values: dict[str, object] = {
            "CANARY": self.canary,
            "OUTSIDE": str(self.outside),
            "SECRET": str(self.outside / "secret"),
            "CODE": __file__,
            "TEMPORARY": tempfile.gettempdir(),
            "TCP_PORT": self.listeners["tcp"].getsockname()[1],
            "UDP_PORT": self.listeners["udp"].getsockname()[1],
            "SOCKET_PATH": str(self.outside / "stream"),
            "DATAGRAM_PATH": str(self.outside / "datagram"),
            "ABSTRACT_NAME": self.canary,
            "WORKER": os.getpid(),
            "VICTIM": self.victim.pid,
            **NUMBERS.get(platform.machine(), NUMBERS["x86_64"]),
        }
        return "".join(f"{name} = {value!r}\n" for name, value in values.items())

    async def escaped(self, sandbox: Sandbox, attempts: Mapping[str, str]) -> list[str]:
        """Which of the attempts got what they wanted."""
        places = asyncio.Semaphore(_AT_ONCE)

        async def try_to(name: str, code: str) -> str | None:
            async with places:
                run = await sandbox.run(self.names + code, limits=SandboxLimits(seconds=10, cpu_seconds=5))
            # Not in stderr: a traceback shows the line that failed.
            return name if "ESCAPED" in run.stdout else None

        found = await asyncio.gather(*(try_to(name, code) for name, code in attempts.items()))
        return [name for name in found if name is not None]

    def harm(self) -> list[str]:
        """What happened to it, whatever the code says of itself."""
        harm: list[str] = []
        files = {path.name: path.read_bytes() for path in self.outside.iterdir() if path.is_file()}
        if files != {name: self.canary.encode() for name in ("secret", "to-empty", "to-delete", "to-move", "to-fetch")}:
            harm.append(f"files outside are now {sorted(files)}, or others by content")
        if self.victim.poll() is not None:
            harm.append("another process was ended")
        for name, listener in self.listeners.items():
            try:
                listener.accept() if listener.type is socket.SOCK_STREAM else listener.recv(1)
            except BlockingIOError:
                continue
            harm.append(f"something came by the {name} socket")
        return harm


@contextmanager
def sandbox_ground(folder: Path) -> Generator[SandboxGround]:
    """Everything that is allowed to everybody, so that only the sandbox stands before it."""
    canary = f"canary-{secrets.token_hex(8)}"
    outside = folder / "outside"
    outside.mkdir()
    for name in ("secret", "to-empty", "to-delete", "to-move", "to-fetch"):
        (outside / name).write_text(canary)
        (outside / name).chmod(0o666)
    for each in (outside, folder):
        each.chmod(0o777)
    with ExitStack() as stack:
        listeners = {
            "tcp": socket.create_server(("127.0.0.1", 0)),
            "udp": _bound(socket.AF_INET, socket.SOCK_DGRAM, ("127.0.0.1", 0)),
            "stream": _bound(socket.AF_UNIX, socket.SOCK_STREAM, str(outside / "stream")),
            "datagram": _bound(socket.AF_UNIX, socket.SOCK_DGRAM, str(outside / "datagram")),
            "abstract": _bound(socket.AF_UNIX, socket.SOCK_STREAM, f"\0{canary}"),
        }
        for listener in listeners.values():
            listener.setblocking(False)
            stack.enter_context(listener)
        for name in ("stream", "datagram"):
            (outside / name).chmod(0o777)
        os.environ[VARIABLE] = canary
        stack.callback(os.environ.pop, VARIABLE)
        victim = subprocess.Popen([sys.executable, "-I", "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE)
        stack.callback(_end, victim)
        open_file = os.open(outside / "secret", os.O_RDONLY)
        stack.callback(os.close, open_file)
        os.set_inheritable(open_file, True)
        yield SandboxGround(outside, canary, listeners, victim, open_file)


def _bound(family: int, kind: int, address: object) -> socket.socket:
    listener = socket.socket(family, kind)
    listener.bind(address)  # pyright: ignore[reportArgumentType] what it is depends on the family
    if kind == socket.SOCK_STREAM:
        listener.listen(100)
    return listener


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()
    if process.stdin is not None:
        process.stdin.close()
