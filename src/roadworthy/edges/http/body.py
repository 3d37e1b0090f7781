"""Reads what a request carries, no more of it than is allowed."""

from __future__ import annotations

from asyncio import FIRST_COMPLETED, create_task, gather, wait
from collections.abc import Coroutine
from typing import Any, TypeVar, cast

import orjson
from starlette.requests import Request
from starlette.types import Receive

from roadworthy.domain.errors import InputTooLarge, MalformedRequest
from roadworthy.edges.http.error_boundary import ClientGone

MOST_BODY_BYTES = 1024 * 1024
"""Room for the largest input with every character escaped."""

T = TypeVar("T")


async def json_object(request: Request, *, or_empty: bool = False, most_bytes: int = MOST_BODY_BYTES) -> dict[str, Any]:
    """The body, which must be a JSON object; with `or_empty` no body is an empty one.

    MalformedRequest says where it is none; InputTooLarge comes before more than `most_bytes` are read.
    """
    data = await _body(request, most_bytes)
    if not data and or_empty:
        return {}
    try:
        value: object = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        if not data:
            raise MalformedRequest("the body is empty; send a JSON object") from None
        raise MalformedRequest(
            f"the body is not JSON: {error.msg} at line {error.lineno} column {error.colno}"
        ) from None
    if not isinstance(value, dict):
        raise MalformedRequest('the body must be a JSON object, like {"input": "…"}')
    return cast(dict[str, Any], value)


async def _body(request: Request, most_bytes: int) -> bytes:
    too_large = f"the body is larger than {most_bytes // 1024} KiB"
    length = request.headers.get("content-length", "0")
    if not (length.isascii() and length.isdigit()) or int(length[:20]) > most_bytes:
        raise InputTooLarge(too_large)
    chunks: list[bytes] = []
    size = 0
    while True:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise ClientGone
        chunk: bytes = message.get("body", b"")
        size += len(chunk)
        if size > most_bytes:
            raise InputTooLarge(too_large)
        chunks.append(chunk)
        if not message.get("more_body", False):
            return chunks[0] if len(chunks) == 1 else b"".join(chunks)


async def unless_disconnected(receive: Receive, work: Coroutine[Any, Any, T]) -> T:
    """The outcome of `work`, which is cancelled when the client goes away (then ClientGone). The body must have
    been read before."""
    working, leaving = create_task(work), create_task(_disconnected(receive))
    try:
        await wait({working, leaving}, return_when=FIRST_COMPLETED)
        if not working.done():
            raise ClientGone
        return working.result()
    finally:
        working.cancel()
        leaving.cancel()
        await gather(working, leaving, return_exceptions=True)


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
