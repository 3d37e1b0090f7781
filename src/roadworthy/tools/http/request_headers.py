"""What a request says beside its address and body."""

from __future__ import annotations

import re
from collections.abc import Mapping
from hashlib import blake2b

import orjson
from yarl import URL

from roadworthy.core.scope import surroundings
from roadworthy.domain.errors import RequestRefused

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
METHODS = SAFE_METHODS | {"POST", "PUT", "PATCH", "DELETE"}
IDEMPOTENCY_KEY = "Idempotency-Key"

_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
_OF_THE_CONNECTION = {"Connection", "Keep-Alive", "Transfer-Encoding", "Content-Length", "Upgrade", "Te", "Trailer"}
_OF_WHAT_STANDS_BETWEEN = {"Proxy-Authorization", "Proxy-Authenticate", "Proxy-Connection", "Forwarded"}
_OURS = _OF_THE_CONNECTION | _OF_WHAT_STANDS_BETWEEN | {"Host", "Expect", "Accept-Encoding"}
_HARMLESS = frozenset(("Accept", "Accept-Language", "Content-Type", IDEMPOTENCY_KEY, "User-Agent"))


def checked_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """With names in the usual case. RequestRefused for what would end the header, or speak for the connection."""
    checked: dict[str, str] = {}
    for given, value in headers.items():
        name = given.title()
        if not isinstance(value, str):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise RequestRefused(f"the header {given!r} must be text, not {type(value).__name__}")
        if not _NAME.fullmatch(name) or not _VALUE.fullmatch(value):
            raise RequestRefused(f"the header {given[:50]!r} has characters that no header may have")
        if name in _OURS or name.startswith("X-Forwarded-"):
            raise RequestRefused(f"the header {given!r} is not the tool's to set")
        checked[name] = value
    return checked


def of_a_get(headers: Mapping[str, str]) -> dict[str, str]:
    """What is left where a redirect turns a request into a GET."""
    return {name: value for name, value in headers.items() if name not in ("Content-Type", IDEMPOTENCY_KEY)}


def for_another_host(headers: Mapping[str, str]) -> dict[str, str]:
    """What a redirect to another host, port or scheme may be told: no credentials, under whatever name they go."""
    return {name: value for name, value in headers.items() if name in _HARMLESS}


def only_harmless(headers: Mapping[str, str]) -> bool:
    return _HARMLESS.issuperset(headers)


def idempotency_key(method: str, url: URL, body: bytes) -> str | None:
    """Of a request within a tool call; None outside of one, and for a request that changes nothing.

    The first request of a call has the call's own key, an equal one the same. A different one has a key made of that
    and of what it asks for: services refuse a key that comes with something else, or take it for the first request.
    """
    here = surroundings.get()
    if method in SAFE_METHODS or here is None or here.started is None:
        return None
    digest = blake2b(orjson.dumps([method, str(url)]) + b"\0" + body, digest_size=8).digest()
    # Of this try: the next one begins at the first request again.
    here.first_request = here.first_request or digest
    key = here.started.idempotency_key
    return key if digest == here.first_request else f"{key}-{digest.hex()}"
