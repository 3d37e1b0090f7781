"""Replies to requests that are the same to the last byte."""

from __future__ import annotations

import struct
from hashlib import blake2b
from typing import Any

import orjson

from roadworthy.core.model_gateway.cache_in_time import CacheInTime
from roadworthy.core.model_gateway.cache_place import CachePlace, digest_of
from roadworthy.core.model_gateway.counters import GatewayCounters
from roadworthy.core.model_gateway.found_reply import Found, Pieces
from roadworthy.core.model_gateway.model_reply import ModelReply
from roadworthy.domain.event import EventKind
from roadworthy.ports.cache import Stamp

FORMAT = b"\x01"
"""Of the values. What begins otherwise was written by another release, and is no reply to this one."""
MOST_VALUE_BYTES = 512 * 1024
_FORGOTTEN = b""
"""A miss."""
_SEAL_BYTES = 8
_LENGTH = struct.Struct(">I")
_HEAD = len(FORMAT) + _SEAL_BYTES


class ExactCache:
    """Looks up and keeps replies by their whole request."""

    def __init__(self, cache: CacheInTime, counters: GatewayCounters) -> None:
        self._cache = cache
        self._counted = counters.cache

    async def look(self, place: CachePlace, question: str) -> tuple[Found | None, Stamp | None]:
        """The reply, and a stamp to keep one with that is missing; no stamp: the cache is passed over."""
        key = _key(place, question)
        looked = await self._cache.get([key], place.marks)
        if looked is None:
            self._counted["exact", "passed_over"] += 1
            return None, None
        value = looked.values[0] or None
        found = None if value is None else decoded(key, value)
        if value is not None and found is None:
            self._counted["exact", "unreadable"] += 1
        self._counted["exact", "miss" if found is None else "hit"] += 1
        return found, looked.stamp

    async def keep(self, place: CachePlace, question: str, reply: ModelReply, pieces: Pieces, stamp: Stamp) -> None:
        key = _key(place, question)
        value = encoded(key, reply, pieces)
        kept = len(value) <= MOST_VALUE_BYTES and await self._cache.put({key: value}, place.seconds, stamp)
        self._counted["exact", "kept" if kept else "dropped"] += 1

    async def forget(self, place: CachePlace, question: str, stamp: Stamp) -> None:
        await self._cache.put({_key(place, question): _FORGOTTEN}, place.seconds, stamp)


def encoded(key: bytes, reply: ModelReply, pieces: Pieces = ()) -> bytes:
    """Format, seal, length of the head, head, payload."""
    thought = any(kind is EventKind.THINKING for kind, _ in pieces)
    head = orjson.dumps(
        {
            "model": reply.model,
            "text": reply.text,
            "tool_calls": list(reply.tool_calls),
            "cost": reply.cost,
            # The text says the same where there was nothing else.
            "pieces": [[kind.value, text] for kind, text in pieces] if thought else [],
        }
    )
    body = b"".join((_LENGTH.pack(len(head)), head, reply.payload))
    return b"".join((FORMAT, _seal(key, body), body))


def decoded(key: bytes, value: bytes) -> Found | None:
    """None for what was not written for this key by `encoded`, or was changed since."""
    seal, body = value[len(FORMAT) : _HEAD], value[_HEAD:]
    if not value.startswith(FORMAT) or len(body) < _LENGTH.size or seal != _seal(key, body):
        return None
    end = _LENGTH.size + _LENGTH.unpack_from(body)[0]
    try:
        head: dict[str, Any] = orjson.loads(body[_LENGTH.size : end])
        reply = ModelReply(body[end:], head["model"], head["text"], head["tool_calls"])
        pieces = [(EventKind(kind), text) for kind, text in head["pieces"]]
        return Found(reply, "exact", pieces, head["cost"])
    except (ValueError, KeyError, TypeError):
        return None


def _seal(key: bytes, body: bytes) -> bytes:
    """Of a value in its place: one that was copied from another key, or is damaged, does not fit."""
    return blake2b(body, key=key, digest_size=_SEAL_BYTES).digest()


def _key(place: CachePlace, question: str) -> bytes:
    return digest_of(b"exact", place.key_of(question))
