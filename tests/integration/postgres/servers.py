"""PostgreSQL servers for the tests: the embedded one, and Debian's 15 as the oldest that is supported."""

import asyncio
import ctypes
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from roadworthy.adapters.embedded import EmbeddedServers

DEBIAN_15 = Path("/usr/lib/postgresql/15/bin")


@contextmanager
def embedded_18(folder: Path) -> Iterator[str]:
    """The DSN of a server that lives in a thread of its own: every test has another event loop."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    servers = EmbeddedServers(folder, valkey=False)
    try:
        asyncio.run_coroutine_threadsafe(servers.start(), loop).result(60)
        yield servers.database_url
    finally:
        asyncio.run_coroutine_threadsafe(servers.stop(), loop).result(60)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


@contextmanager
def debian_15() -> Iterator[str]:
    """The DSN of a server over a Unix socket, without fsync."""
    user = pwd.getpwnam("postgres") if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())
    # Not pytest's folder: another user must be able to enter it, and socket paths must be short.
    folder = Path(tempfile.mkdtemp(prefix="pg15-", dir="/tmp"))
    os.chown(folder, user.pw_uid, user.pw_gid)
    run_as = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []} if os.geteuid() == 0 else {}
    data = folder / "data"
    try:
        subprocess.run(
            [DEBIAN_15 / "initdb", "-D", data, "-A", "trust", "-U", "roadworthy", "-E", "UTF8", "--locale=C", "-N"],
            check=True,
            stdout=subprocess.DEVNULL,
            cwd="/",
            **run_as,
        )
        settings = {"listen_addresses": "", "unix_socket_directories": str(folder), "fsync": "off", "jit": "off"}
        with (folder / "log").open("wb") as log:
            server = subprocess.Popen(
                [DEBIAN_15 / "postgres", "-D", data, *(w for k, v in settings.items() for w in ("-c", f"{k}={v}"))],
                stdout=log,
                stderr=log,
                cwd="/",
                preexec_fn=_die_with_parent,
                **run_as,
            )
        try:
            _wait_until_ready(server, data, folder / "log")
            yield f"postgresql://roadworthy@/postgres?host={quote(str(folder))}&port=5432"
        finally:
            server.send_signal(signal.SIGINT)
            server.wait(30)
    finally:
        shutil.rmtree(folder)


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(1, signal.SIGINT)


def _wait_until_ready(server: "subprocess.Popen[bytes]", data: Path, log: Path) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and server.poll() is None:
        lines = (data / "postmaster.pid").read_text().splitlines() if (data / "postmaster.pid").exists() else []
        if len(lines) > 7 and lines[7].strip() == "ready":
            return
        time.sleep(0.01)
    raise RuntimeError(f"PostgreSQL 15 did not start: {log.read_text()}")
