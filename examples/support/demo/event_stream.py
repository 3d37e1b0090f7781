"""Reads server-sent events."""

import json
from collections.abc import AsyncIterable, AsyncIterator
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Event:
    """One event of a task; `id` is the cursor to go on from after a broken connection."""

    id: str
    kind: str
    data: dict[str, Any]


async def read_events(lines: AsyncIterable[bytes]) -> AsyncIterator[Event]:
    """Yields the complete events; what a broken connection cut off is dropped, comments are skipped."""
    fields: dict[str, str] = {}
    data: list[str] = []
    async for raw in lines:
        line = raw.decode().rstrip("\r\n")
        if not line:
            if data:
                yield Event(fields.get("id", ""), fields.get("event", "message"), json.loads("\n".join(data)))
            fields, data = {}, []
            continue
        name, _, value = line.partition(":")
        if name == "data":
            data.append(value.removeprefix(" "))
        elif name:  # a comment has no name
            fields[name] = value.removeprefix(" ")
