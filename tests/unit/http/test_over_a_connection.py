"""The same over sockets: what only a server shows."""

import asyncio
from contextlib import asynccontextmanager

import uvicorn
from api_in_memory import Api

from roadworthy.domain.task import TaskStatus


@asynccontextmanager
async def served(api: Api):
    config = uvicorn.Config(api.app, port=0, http="httptools", loop="asyncio", access_log=False, log_config=None)
    server = uvicorn.Server(config)
    running = asyncio.create_task(server._serve(None))
    while not server.started:  # noqa: ASYNC110  uvicorn has no event for it
        await asyncio.sleep(0.001)
    try:
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        await running


class Connection:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    @classmethod
    async def open(cls, port: int) -> "Connection":
        return cls(*await asyncio.open_connection("127.0.0.1", port))

    def send(self, method: str, path: str, body: bytes = b"", *headers: str) -> None:
        lines = [f"{method} {path} HTTP/1.1", "host: 127.0.0.1", f"content-length: {len(body)}", *headers, "", ""]
        self.writer.write("\r\n".join(lines).encode() + body)

    async def head(self) -> str:
        return (await self.reader.readuntil(b"\r\n\r\n")).decode().lower()

    async def answer(self) -> tuple[int, bytes]:
        head = await self.head()
        status = int(head.split()[1])
        if "transfer-encoding: chunked" in head:
            body = b""
            while chunk := await self.chunk():
                body += chunk
            return status, body
        length = int(head.split("content-length: ")[1].split("\r\n")[0])
        return status, await self.reader.readexactly(length)

    async def chunk(self) -> bytes:
        size = int(await self.reader.readuntil(b"\r\n"), 16)
        return (await self.reader.readexactly(size + 2))[:-2]

    async def close(self) -> None:
        self.writer.close()
        await self.writer.wait_closed()


async def test_the_connection_is_of_use_after_done(api: Api):
    life = await api.life()
    await life.claim()
    await life.settle(TaskStatus.SUCCEEDED)
    async with served(api) as port:
        connection = await Connection.open(port)
        for _ in range(3):
            connection.send("GET", f"/v1/tasks/{life.task.id}/events")
            status, body = await connection.answer()
            assert status == 200
            assert body.count(b"event: done\n") == 1
            connection.send("POST", "/v1/tasks", b'{"input": "more"}')
            assert (await connection.answer())[0] == 202
        await connection.close()


async def test_a_broken_connection_ends_its_reader(api: Api):
    life = await api.life()
    async with served(api) as port:
        connection = await Connection.open(port)
        connection.send("GET", f"/v1/tasks/{life.task.id}/events")
        await connection.head()
        assert b"event: status" in await connection.chunk()
        assert api.world.followers.open_readers == 1
        await connection.close()
        while api.world.followers.open_readers:  # noqa: ASYNC110  as little as sockets do
            await asyncio.sleep(0.001)


async def test_too_large_a_body_closes_the_connection(api: Api):
    async with served(api) as port:
        connection = await Connection.open(port)
        connection.writer.write(b"POST /v1/tasks HTTP/1.1\r\nhost: localhost\r\ncontent-length: 5000000\r\n\r\n{")
        assert (await connection.answer())[0] == 413
        assert await connection.reader.read() == b""
        await connection.close()


async def test_an_orderly_stop_does_not_wait_for_streams(api: Api):
    life = await api.life()
    async with served(api) as port:
        connection = await Connection.open(port)
        connection.send("GET", f"/v1/tasks/{life.task.id}/events")
        await connection.head()
        api.world.followers.dismiss()
    await connection.close()
