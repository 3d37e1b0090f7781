"""Owns embedded servers until its standard input ends: a process that tests can kill.

`owner.py FOLDER [fork] [no-postgres] [uvloop] [no-namespaces]` says what it started as one line of JSON, or the error.
"""

import asyncio
import ctypes
import json
import os
import sys
from pathlib import Path

import structlog

from roadworthy.adapters.embedded import EmbeddedServers
from roadworthy.domain.errors import EmbeddedServerError


async def own(folder: Path, *, fork: bool, postgres: bool) -> None:
    servers = EmbeddedServers(folder, postgres=postgres)
    try:
        await servers.start()
    except EmbeddedServerError as error:
        print(json.dumps({"error": type(error).__name__, "message": error.message}), flush=True)
        return
    forked = os.fork() if fork else None
    if forked == 0:
        os.read(0, 1)
        os._exit(0)
    said: dict[str, object] = {"redis_url": servers.redis_url, "pids": servers.pids}
    if postgres:
        said["database_url"] = servers.database_url
    print(json.dumps({**said, "forked": forked}), flush=True)
    await asyncio.get_running_loop().run_in_executor(None, os.read, 0, 1)
    await servers.stop()


def live_where_nobody_makes_namespaces() -> None:
    """Root in a user namespace that allows no other one inside: what a container usually is."""
    ready_read, ready_write = os.pipe()
    mapped_read, mapped_write = os.pipe()
    outside = os.fork()
    if outside != 0:  # this one stays outside, where it may write the map, and lends its exit status
        os.close(ready_write)
        os.read(ready_read, 1)
        for name in ("uid_map", "gid_map"):
            Path(f"/proc/{outside}/{name}").write_text("0 0 4294967295")
        os.write(mapped_write, b"!")
        os.close(0)
        os._exit(os.waitstatus_to_exitcode(os.waitpid(outside, 0)[1]))
    ctypes.CDLL(None).unshare(0x10000000)
    os.write(ready_write, b"!")
    os.read(mapped_read, 1)
    Path("/proc/sys/user/max_user_namespaces").write_text("0")


if __name__ == "__main__":
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    if "no-namespaces" in sys.argv:
        live_where_nobody_makes_namespaces()
    if "uvloop" in sys.argv:
        import uvloop

        uvloop.install()
    asyncio.run(own(Path(sys.argv[1]), fork="fork" in sys.argv, postgres="no-postgres" not in sys.argv))
