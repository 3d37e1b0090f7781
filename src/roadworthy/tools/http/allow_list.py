"""Which hosts a tool may reach."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from yarl import URL

from roadworthy.domain.errors import AddressRefused
from roadworthy.tools.http.addresses import literal_address

_ENTRY = re.compile(
    r"(?:(?P<scheme>https?)://)?(?P<host>\*|(?:\*\.)?[\w.-]+|\[[0-9a-fA-F:.]+\])(?::(?P<port>\d{1,5}))?/?"
)
_NAME = re.compile(r"[a-z0-9._-]+")
_PORTS = {"http": 80, "https": 443}
_LONGEST_URL = 8000
_MOST_SHOWN = 10


@dataclass(frozen=True, slots=True)
class _Entry:
    scheme: str
    host: str
    """Without the star of `*.example.org`, and with the dot."""
    port: int

    def covers(self, scheme: str, host: str, port: int) -> bool:
        if (scheme, port) != (self.scheme, self.port):
            return False
        if self.host.startswith("."):
            return host.endswith(self.host) and host != self.host
        return self.host in ("*", host)


class AllowList:
    """Made of entries like `api.shop.example`, `*.example.org` (any name below, not itself), `*` (any public host) and
    `http://orders.internal:8080`: https and its usual port unless the entry says otherwise.

    Raises ValueError for an entry that says something else, such as a path, and for a host of `private` that `entries`
    do not name.
    """

    def __init__(self, entries: Iterable[str], private: Iterable[str] = ()) -> None:
        self._shown = tuple(_texts("allow", entries))
        self._entries = tuple(_entry(each) for each in self._shown)
        if not self._entries:
            raise ValueError('allow must name the hosts that may be reached, like ["api.shop.example"]')
        named = {entry.host for entry in self._entries}
        self._private = frozenset(_host(each) for each in _texts("allow_private", private))
        for host in self._private:
            if host not in named or host == "*" or host.startswith("."):
                raise ValueError(
                    f"allow_private has {host!r}, which allow does not name: name each host of your own network in "
                    "both, without a star"
                )

    @property
    def has_any_host(self) -> bool:
        return any(entry.host == "*" for entry in self._entries)

    def is_private(self, host: str) -> bool:
        """Whether the host may have addresses of the worker's own machine and network."""
        return host in self._private

    def url(self, text: str) -> URL:
        """The URL, ready to be requested; AddressRefused for one that is not allowed."""
        url = _parsed(text)
        host = url.raw_host or ""
        if url.scheme not in _PORTS or not host:
            raise AddressRefused(f"{_short(text)!r} is not a URL that this tool can fetch: write https://host/path")
        # Not only what the parser found: others see a user in `https://@host` and `https://host:80@other`.
        if (
            url.raw_user is not None
            or url.raw_password is not None
            or "@" in re.split("[/?#]", text.partition("//")[2])[0]
        ):
            raise AddressRefused(f"a URL with a user or password in it is refused: write https://{host} alone")
        if literal_address(host) is None and not _NAME.fullmatch(host):
            raise AddressRefused(f"{_short(host)!r} is not the name of a host")
        port = url.port
        if port is None or not any(entry.covers(url.scheme, host, port) for entry in self._entries):
            shown = ", ".join(self._shown[:_MOST_SHOWN]) + (", …" if len(self._shown) > _MOST_SHOWN else "")
            raise AddressRefused(f"{url.scheme}://{host}:{port} is not what this tool may reach: {shown}")
        return url.with_fragment(None)


def check_characters(text: str) -> None:
    """AddressRefused for characters that parsers of URLs cut, skip or turn around, each in its own way."""
    if any(character <= " " or character in "\\\x7f" for character in text):
        raise AddressRefused(f"{_short(text)!r} has a space, a backslash or a control character in it: write it as %20")


def _parsed(text: str) -> URL:
    if len(text) > _LONGEST_URL:
        raise AddressRefused(f"a URL of {len(text)} characters is refused: it may have {_LONGEST_URL}")
    check_characters(text)
    try:
        url = URL(text)
        _ = url.port, url.raw_host, url.raw_authority
    except ValueError as error:
        raise AddressRefused(f"{_short(text)!r} is not a URL ({error})") from None
    return url


def _entry(text: str) -> _Entry:
    found = _ENTRY.fullmatch(text)
    if found is None:
        raise ValueError(
            f"allow has {text!r}: write a host like 'api.shop.example', '*.example.org' or 'http://127.0.0.1:8000', "
            "without a path, a user or a star elsewhere"
        )
    scheme = found["scheme"] or "https"
    port = int(found["port"] or _PORTS[scheme])
    if not 0 < port < 65536:
        raise ValueError(f"allow has {text!r}: there is no port {port}")
    return _Entry(scheme, _host(found["host"]), port)


def _host(text: str) -> str:
    """As URLs have it once they are parsed."""
    if text == "*":
        return text
    star, name = ("*", text[1:]) if text.startswith("*.") else ("", text)
    if name.count(":") > 1 and not name.startswith("["):
        name = f"[{name}]"
    try:
        host = URL(f"https://{name.removeprefix('.')}").raw_host or ""
        literal_address(host)
    except (ValueError, AddressRefused) as error:
        raise ValueError(f"{text!r} is not the name of a host ({error})") from None
    if not host or "@" in text or "/" in text:
        raise ValueError(f"{text!r} is not the name of a host")
    return f".{host}" if star else host


def _texts(name: str, given: Iterable[str]) -> list[str]:
    if isinstance(given, str):
        raise ValueError(f'{name} must be a list, like ["{given}"]')
    return list(given)


def _short(text: str) -> str:
    return text if len(text) <= 100 else text[:99] + "…"
