"""What the worker and a sandbox's process send each other: names with bytes, which are only ever bytes."""

from __future__ import annotations


def packed(fields: dict[str, bytes]) -> bytes:
    parts: list[bytes] = []
    for name, value in fields.items():
        for part in (name.encode(), value):
            parts += (len(part).to_bytes(8, "big"), part)
    return b"".join(parts)


def unpacked(data: bytes) -> dict[str, bytes]:
    """ValueError unless it is what `packed` makes."""
    parts: list[bytes] = []
    at = 0
    while at < len(data):
        start = at + 8
        at = start + int.from_bytes(data[at:start], "big")
        if at > len(data):
            raise ValueError("it ends in the middle of a field")
        parts.append(data[start:at])
    if len(parts) % 2:
        raise ValueError("it ends with a name")
    return {name.decode(): value for name, value in zip(parts[::2], parts[1::2], strict=True)}
