"""One request to one checked address, without anything that a browser would add or remember."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from roadworthy.domain.errors import AddressRefused, TooMuchReceived
from roadworthy.tools.http.addresses import Address
from roadworthy.tools.http.response import Response

_ACCEPTED = "gzip, deflate"


@dataclass(slots=True)
class Sending:
    """How far a request has come."""

    is_connected: bool = False
    """From then on a service may have received it."""


@dataclass(frozen=True, slots=True)
class Exchange:
    addresses: Sequence[Address]
    silent_seconds: float
    max_bytes: int
    tls: ssl.SSLContext | None

    async def response(
        self, method: str, url: URL, headers: Mapping[str, str], body: bytes, sending: Sending
    ) -> Response:
        """The answer, not followed. TooMuchReceived for a longer body, packed or unpacked; aiohttp's own errors."""
        # A connection of its own: one that was kept may be closed by the service at this moment, and nobody could tell
        # whether it took the request.
        connector = aiohttp.TCPConnector(
            resolver=_Pinned(self.addresses),
            use_dns_cache=False,
            force_close=True,
            ssl=self.tls or True,
            socket_factory=self._socket,
        )
        async with (
            aiohttp.ClientSession(
                connector=connector,
                cookie_jar=aiohttp.DummyCookieJar(),
                trust_env=False,
                timeout=aiohttp.ClientTimeout(
                    total=None, sock_connect=self.silent_seconds, sock_read=self.silent_seconds
                ),
                trace_configs=[_noting(sending)],
            ) as session,
            session.request(
                method,
                url,
                data=body or None,
                headers={"Accept-Encoding": _ACCEPTED, "User-Agent": "roadworthy", **headers},
                skip_auto_headers=() if body else ("Content-Type",),
                allow_redirects=False,
                raise_for_status=False,
            ) as answer,
        ):
            return Response(answer.status, answer.headers, await self._body(method, answer), str(answer.url))

    async def _body(self, method: str, answer: aiohttp.ClientResponse) -> bytes:
        if method != "HEAD" and (answer.content_length or 0) > self.max_bytes:
            raise self._too_much(answer)
        pieces: list[bytes] = []
        size = 0
        async for piece in answer.content.iter_any():
            size += len(piece)
            if size > self.max_bytes:
                raise self._too_much(answer)
            pieces.append(piece)
        return b"".join(pieces)

    def _too_much(self, answer: aiohttp.ClientResponse) -> TooMuchReceived:
        return TooMuchReceived(
            f"{answer.url.host} answered with more than {self.max_bytes} bytes, which is what this tool takes: "
            "ask for less of it (a page, a range, fewer fields)"
        )

    def _socket(self, found: Any) -> socket.socket:
        """The last look, at the very address that is connected to."""
        family, kind, protocol, _, address = found
        if address[0] not in {str(each) for each in self.addresses}:
            raise AddressRefused(f"a connection to {address[0]} was about to be made, which nobody has checked")
        return socket.socket(family, kind, protocol)


class _Pinned(AbstractResolver):
    """Answers with what was checked: asked again, a name may have other addresses."""

    def __init__(self, addresses: Sequence[Address]) -> None:
        self._addresses = addresses

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        return [
            ResolveResult(
                hostname=host,
                host=str(address),
                port=port,
                family=socket.AF_INET if address.version == 4 else socket.AF_INET6,
                proto=0,
                flags=socket.AI_NUMERICHOST,
            )
            for address in self._addresses
        ]

    async def close(self) -> None:
        pass


def _noting(sending: Sending) -> aiohttp.TraceConfig:
    async def connected(
        session: aiohttp.ClientSession, context: SimpleNamespace, params: aiohttp.TraceConnectionCreateEndParams
    ) -> None:
        sending.is_connected = True

    config = aiohttp.TraceConfig()
    config.on_connection_create_end.append(connected)
    return config
