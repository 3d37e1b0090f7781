"""What a request says beside its address and body."""

from __future__ import annotations

import re
from collections.abc import Mapping

import orjson
from yarl import URL

from roadworthy.core.scope import Surroundings, surroundings
from roadworthy.domain.errors import RequestRefused

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
METHODS = SAFE_METHODS | {"POST", "PUT", "PATCH", "DELETE"}
IDEMPOTENCY_KEY = "Idempotency-Key"

_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
_OURS = frozenset(
    # What steers the connection, or the server behind the address.
    "host content-length transfer-encoding connection keep-alive upgrade te trailer expect proxy-authorization "
    "proxy-authenticate proxy-connection accept-encoding forwarded".split()
)
_HARMLESS = frozenset("accept accept-language content-type idempotency-key user-agent".split())


def checked_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """RequestRefused for what would end the header, or speak for the connection."""
    for name, value in headers.items():
        if not isinstance(value, str):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise RequestRefused(f"the header {name!r} must be text, not {type(value).__name__}")
        if not _NAME.fullmatch(name) or not _VALUE.fullmatch(value):
            raise RequestRefused(f"the header {name[:50]!r} has characters that no header may have")
        if name.lower() in _OURS or name.lower().startswith("x-forwarded-"):
            raise RequestRefused(f"the header {name!r} is not the tool's to set")
    return dict(headers)


def for_another_host(headers: Mapping[str, str]) -> dict[str, str]:
    """What a redirect to another host, port or scheme may be told: no credentials, under whatever name they go."""
    return {name: value for name, value in headers.items() if name.lower() in _HARMLESS}


def only_harmless(headers: Mapping[str, str]) -> bool:
    return all(name.lower() in _HARMLESS for name in headers)


def idempotency_key(method: str, url: URL, body: bytes) -> str | None:
    """Of a request within a tool call; None outside of one, and for a request that changes nothing.

    The first request of a call has the call's own key, an equal one the same; a different one has a key of its own, made
    of that key and of what is asked for: services refuse a key that comes with something else, or drop the request.
    """
    here = surroundings.get()
    if method in SAFE_METHODS or here is None or here.started is None:
        return None
    asked = orjson.dumps([method, str(url)]) + body
    return _key_within(here, here.started.idempotency_key, asked)
