"""A server made with the protocol's own SDK, over HTTP; prints its port once it listens: `python sdk_server.py`."""

from __future__ import annotations

import asyncio
import os
import socket

import uvicorn
from mcp.server import MCPServer

server = MCPServer("sdk")


@server.tool()
def add(x: int) -> int:
    return x + 1


@server.tool()
async def die() -> int:
    os._exit(1)


@server.tool()
async def hang() -> int:
    await asyncio.Event().wait()
    return 0


@server.tool()
def fail() -> int:
    raise ValueError("the books are closed")


def main() -> None:
    listening = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(server.streamable_http_app(), log_level="critical")
    print(listening.getsockname()[1], flush=True)
    uvicorn.Server(config).run(sockets=[listening])


if __name__ == "__main__":
    main()
