import asyncio

import pytest
from starlette.responses import PlainTextResponse

from roadworthy.app.http_server import MOST_HEAD_BYTES, http_server, listening_socket
from roadworthy.domain.errors import PortTaken


async def answers(port: int, request: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    try:
        return await asyncio.wait_for(reader.read(200), 5)
    finally:
        writer.close()


async def test_headers_without_end_are_refused_and_others_are_served():
    listener = listening_socket("127.0.0.1", 0)
    port = listener.getsockname()[1]
    async with http_server(PlainTextResponse("hello"), listener):
        begin = b"GET / HTTP/1.1\r\nHost: localhost\r\n"
        endless = begin + b"X-Long: " + b"x" * (MOST_HEAD_BYTES + 1)
        assert (await answers(port, endless)).startswith(b"HTTP/1.1 400")
        assert b"hello" in await answers(port, begin + b"X-Long: " + b"x" * 30_000 + b"\r\n\r\n")


async def test_a_taken_port_is_said_to_be_taken():
    with listening_socket("127.0.0.1", 0) as listener, pytest.raises(PortTaken) as raised:
        listening_socket("127.0.0.1", listener.getsockname()[1])
    assert "--port" in raised.value.message
