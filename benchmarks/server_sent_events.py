"""Reads an event stream as it arrives."""

from __future__ import annotations

from collections.abc import Iterator


class EventReader:
    """Feed it pieces of the body; each complete event comes out as `(name, data)`."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, piece: bytes) -> Iterator[tuple[bytes, bytes]]:
        *events, self._rest = (self._rest + piece).split(b"\n\n")
        for event in events:
            name, data = b"message", b""
            for line in event.split(b"\n"):
                field, _, value = line.partition(b":")
                if field == b"event":
                    name = value.strip()
                elif field == b"data":
                    data += value.strip()
            if data:
                yield name, data
