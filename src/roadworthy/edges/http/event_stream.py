"""One task's events as server-sent events (WHATWG HTML, section 9.2)."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

import orjson
from starlette.types import Receive, Scope, Send

from roadworthy.domain.event import Event
from roadworthy.edges.http.body import unless_disconnected
from roadworthy.edges.http.error_boundary import ClientGone

COMMENT = b":\n\n"
_HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache"),
    (b"x-accel-buffering", b"no"),
]


class EventStream:
    """An ASGI answer; `first` was taken from `stream` before, so that what it raises is still an answer."""

    def __init__(self, first: Sequence[Event], stream: AsyncGenerator[list[Event], None]) -> None:
        self._first = first
        self._stream = stream

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with aclosing(self._stream):
            await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
            if scope["method"] == "HEAD":
                await send({"type": "http.response.body", "body": b""})
                return
            try:
                await unless_disconnected(receive, self._send_all(send))
            except ClientGone:
                return

    async def _send_all(self, send: Send) -> None:
        await send({"type": "http.response.body", "body": as_text(self._first), "more_body": True})
        async for events in self._stream:
            await send({"type": "http.response.body", "body": as_text(events), "more_body": True})
        await send({"type": "http.response.body", "body": b""})


def as_text(events: Sequence[Event]) -> bytes:
    """The events' lines, or a comment that keeps the connection in use."""
    if not events:
        return COMMENT
    return b"".join(
        b"id: %d\nevent: %b\ndata: %b\n\n" % (event.number, event.kind.value.encode(), orjson.dumps(dict(event.data)))
        for event in events
    )
