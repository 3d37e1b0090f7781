"""Stands between processes and PostgreSQL and counts the statements that pass, by the name of whoever sends them."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit, urlunsplit

from .watched import Watched

_SIMPLE_QUERY, _EXECUTE = b"Q", b"E"


class StatementCounter(Watched):
    def __init__(self) -> None:
        super().__init__()
        self.counts: Counter[str] = Counter()
        """By `application_name`."""

    async def until_counted(self, more: int, name: str) -> int:
        """Wait until so many more were sent under that name; how many were sent in all meanwhile."""
        before, all_before = self.counts[name], self.counts.total()
        await self.until(lambda: self.counts[name] >= before + more, f"{more} statements of {name}")
        return self.counts.total() - all_before

    def present_state(self) -> str:
        return f"counted so far: {dict(self.counts)}"

    async def count(self, reader: asyncio.StreamReader, forward: asyncio.StreamWriter) -> None:
        """Pass on what a client sends."""
        length = await reader.readexactly(4)
        startup = await reader.readexactly(int.from_bytes(length) - 4)
        forward.write(length + startup)
        words = startup[4:].split(b"\0")
        name = words[words.index(b"application_name") + 1].decode() if b"application_name" in words else ""
        while head := await reader.readexactly(5):
            forward.write(head + await reader.readexactly(int.from_bytes(head[1:]) - 4))
            if head[:1] in (_SIMPLE_QUERY, _EXECUTE):
                self.counts[name] += 1
                self.changed()


@asynccontextmanager
async def counting(database_url: str, folder: Path) -> AsyncIterator[tuple[StatementCounter, str]]:
    """The counter, and the URL of the same database through it. Both sides are Unix sockets."""
    parts = urlsplit(database_url)
    query = {name: values[0] for name, values in parse_qs(parts.query).items()}
    port = query.get("port", "5432")
    target = f"{query['host']}/.s.PGSQL.{port}"
    counter, open_connections = StatementCounter(), set[asyncio.Task[None]]()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        this = asyncio.current_task()
        assert this is not None
        open_connections.add(this)
        server_reader, server_writer = await asyncio.open_unix_connection(target)
        back = asyncio.create_task(_pass_on(server_reader, writer))
        try:
            await counter.count(reader, server_writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            for end in (writer, server_writer):
                end.close()
            back.cancel()
            await asyncio.gather(back, return_exceptions=True)
            open_connections.discard(this)

    server = await asyncio.start_unix_server(connected, folder / f".s.PGSQL.{port}")
    try:
        yield counter, urlunsplit(parts._replace(query=urlencode({**query, "host": str(folder)})))
    finally:
        server.close()
        for task in list(open_connections):
            task.cancel()
        await asyncio.gather(*open_connections, return_exceptions=True)


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(1 << 16):
        writer.write(data)
    writer.close()
