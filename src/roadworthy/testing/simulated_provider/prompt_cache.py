"""The prompt cache of the Anthropic wire: what a request may read of what earlier ones wrote at their `cache_control`.

Simplified: it forgets nothing but the oldest, and what a request writes can be read at once, whatever becomes of it.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from hashlib import blake2b
from typing import Any, NamedTuple, cast

import orjson

from roadworthy.testing.simulated_provider.json_values import JsonObject, as_list

LEAST_TOKENS = 1024
"""A shorter beginning is not cached, as with most real models."""
_REMEMBERED = 100_000


class Cached(NamedTuple):
    """Tokens of one prompt that were read from the cache and written to it."""

    read: int = 0
    write: int = 0


NOT_CACHED = Cached()


class _Place(NamedTuple):
    """A place in a prompt where the cached part may end."""

    digest: bytes
    """Of all before it."""
    tokens: int
    is_marked: bool


class PromptCache:
    """Of one provider."""

    def __init__(self) -> None:
        self._written: OrderedDict[bytes, None] = OrderedDict()

    def use(self, body: JsonObject) -> Cached:
        """What a request with this body reads and writes; nothing, where it does not ask for a cache."""
        places = list(_places(body))
        last = max((number for number, place in enumerate(places) if place.is_marked), default=-1)
        cacheable = [place for place in places[: last + 1] if place.tokens >= LEAST_TOKENS]
        if not cacheable:
            return NOT_CACHED
        read = max((place.tokens for place in cacheable if place.digest in self._written), default=0)
        for place in cacheable:
            if place.is_marked:
                self._written[place.digest] = None
        while len(self._written) > _REMEMBERED:
            self._written.popitem(last=False)
        return Cached(read, cacheable[-1].tokens - read)


def _places(body: JsonObject) -> Iterator[_Place]:
    """After the tools, after the system prompt, and after each message."""
    digest, size = blake2b(str(body.get("model")).encode(), digest_size=16), 0
    messages = as_list(body.get("messages")) or []
    parts: list[object] = [body.get("tools"), body.get("system"), *messages]
    for number, part in enumerate(parts):
        if not part:
            continue
        plain = orjson.dumps(_without_marks(part))
        digest.update(plain)
        size += len(plain)
        is_last = number == len(parts) - 1
        yield _Place(digest.digest(), size // 4, _is_marked(part) or (is_last and "cache_control" in body))


def _without_marks(value: Any) -> Any:
    """A mark moves from one request to the next, and what it marks stays the same."""
    match value:
        case dict():
            fields = cast(JsonObject, value)
            return {name: _without_marks(item) for name, item in fields.items() if name != "cache_control"}
        case list():
            return [_without_marks(item) for item in cast(list[Any], value)]
        case _:
            return value


def _is_marked(value: Any) -> bool:
    match value:
        case dict():
            fields = cast(JsonObject, value)
            return bool(fields.get("cache_control")) or any(_is_marked(item) for item in fields.values())
        case list():
            return any(_is_marked(item) for item in cast(list[Any], value))
        case _:
            return False
