"""The HTTP client for tools: it goes where its allow-list says, whatever URL a model comes up with."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

import aiohttp
import orjson
from yarl import URL

from roadworthy.core.scope import surroundings
from roadworthy.domain.errors import AddressRefused, RequestNotSent, RequestRefused, ToolCallFailed
from roadworthy.domain.failure_class import FailureClass
from roadworthy.tools.http.addresses import Address, check_addresses, literal_address
from roadworthy.tools.http.allow_list import AllowList, check_characters
from roadworthy.tools.http.exchange import Exchange, Sending
from roadworthy.tools.http.names import resolve
from roadworthy.tools.http.request_headers import (
    IDEMPOTENCY_KEY,
    METHODS,
    SAFE_METHODS,
    checked_headers,
    for_another_host,
    idempotency_key,
    of_a_get,
    only_harmless,
)
from roadworthy.tools.http.response import Response

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""The addresses of a name, for a port."""
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_TURNS_INTO_GET = frozenset({301, 302, 303})


class Client:
    """Make one beside the tools that use it; it keeps nothing between requests: no connections, no cookies.

    `allow` names hosts: `"api.shop.example"`, `"*.example.org"` (any name below it), `"*"` (any public host), each with
    https and port 443 unless it says otherwise (`"http://reports.example:8080"`). Addresses of the worker's own machine
    and network are refused even so, unless `allow_private` names the host as well. `seconds` bounds a whole request
    with its redirects, `silent_seconds` how long the service may say nothing, `max_bytes` the body once it is unpacked.
    `headers` go to every allowed host, and after a redirect to another one only what is no credential does. `tls` says
    whose certificates are trusted; None: those of the machine. Raises ValueError for settings that make no sense.
    """

    def __init__(
        self,
        allow: Iterable[str],
        *,
        allow_private: Iterable[str] = (),
        seconds: float = 10,
        silent_seconds: float | None = None,
        max_bytes: int = 1_000_000,
        max_redirects: int = 5,
        headers: Mapping[str, str] | None = None,
        tls: ssl.SSLContext | None = None,
        resolve: Resolve = resolve,
    ) -> None:
        self._allowed = AllowList(allow, allow_private)
        if not 0 < seconds < 1e9 or not (silent_seconds is None or 0 < silent_seconds < 1e9):
            raise ValueError("seconds and silent_seconds must be above zero")
        if max_bytes < 0 or max_redirects < 0:
            raise ValueError("max_bytes and max_redirects must be zero or more")
        try:
            self._headers = checked_headers(headers or {})
        except RequestRefused as error:
            raise ValueError(error.message) from None
        if self._allowed.has_any_host and not only_harmless(self._headers):
            raise ValueError(
                'headers would go to any host that the model names, because allow has "*": make a client of its own '
                "for the hosts that they are meant for"
            )
        self._seconds = seconds
        self._silent_seconds = min(silent_seconds or seconds, seconds)
        self._max_bytes = max_bytes
        self._max_redirects = max_redirects
        self._tls = tls
        self._resolve = resolve

    async def get(self, url: str, **more: Any) -> Response:
        return await self.request("GET", url, **more)

    async def post(self, url: str, **more: Any) -> Response:
        return await self.request("POST", url, **more)

    async def put(self, url: str, **more: Any) -> Response:
        return await self.request("PUT", url, **more)

    async def patch(self, url: str, **more: Any) -> Response:
        return await self.request("PATCH", url, **more)

    async def delete(self, url: str, **more: Any) -> Response:
        return await self.request("DELETE", url, **more)

    async def request(
        self,
        method: str,
        url: str,
        *,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        json: Any = None,
        form: Mapping[str, str] | None = None,
        content: bytes | str | None = None,
    ) -> Response:
        """The answer, whatever its status. Within a tool call a request that may change something carries the call's
        idempotency key, unless `headers` has one.

        Raises RequestRefused (AddressRefused for an address) and RequestNotSent where nobody received anything that may
        change something, TooMuchReceived and ToolCallFailed where somebody may have.
        """
        method = method.upper()
        if method not in METHODS:
            raise RequestRefused(f"{method[:20]!r} is not a method that this tool uses: {', '.join(sorted(METHODS))}")
        target = self._allowed.url(url)
        if params:
            target = self._allowed.url(str(target.extend_query(dict(params))))
        body, kind = _body(json, form, content)
        given = {**self._headers, **kind, **checked_headers(headers or {})}
        if IDEMPOTENCY_KEY not in given and (key := idempotency_key(method, target, body)):
            given[IDEMPOTENCY_KEY] = key
        sending = Sending()
        limit = asyncio.timeout(self._seconds)
        try:
            async with limit:
                return await self._follow(method, target, given, body, sending)
        except RequestRefused as error:
            if not sending.is_connected or method in SAFE_METHODS:
                raise
            # Of a redirect: whoever catches a refusal may rely on nothing having happened.
            raise ToolCallFailed(f"{error.message}; the request before that was received") from error
        except (OSError, aiohttp.ClientError) as error:
            raise self._failed(method, target, sending, error, limit.expired()) from error

    async def _follow(self, method: str, url: URL, headers: dict[str, str], body: bytes, sending: Sending) -> Response:
        for redirects_left in range(self._max_redirects, -1, -1):
            addresses = await self._addresses(url)
            exchange = Exchange(addresses, self._silent_seconds, self._max_bytes, self._tls)
            response = await exchange.response(method, url, headers, body, sending)
            place = response.headers.get("Location")
            if not self._max_redirects or response.status not in _REDIRECTS or not place:
                return response
            if not redirects_left:
                break
            before, url = url, self._redirected(url, place)
            if method not in ("GET", "HEAD") and response.status in _TURNS_INTO_GET:
                method, body = "GET", b""
                headers = of_a_get(headers)
            if url.origin() != before.origin():
                headers = for_another_host(headers)
        raise RequestRefused(f"{url.host} redirected more than {self._max_redirects} times")

    def _redirected(self, url: URL, place: str) -> URL:
        check_characters(place)
        try:
            target = str(url.join(URL(place)))
        except ValueError:
            raise AddressRefused(f"{url.host} redirected to something that is not a URL") from None
        if url.scheme == "https" and target.lower().startswith("http:"):
            raise RequestRefused(f"{url.host} redirected from https to http, which this tool does not follow")
        return self._allowed.url(target)

    async def _addresses(self, url: URL) -> list[Address]:
        host, port = url.raw_host or "", url.port or 0
        own = self._allowed.is_private(host)
        if (literal := literal_address(host)) is not None:
            return check_addresses(host, [str(literal)], own_network=own)
        found = await self._resolve(host, port)
        if not found:
            raise OSError(f"{host} has no address")
        return check_addresses(host, found, own_network=own)

    def _failed(self, method: str, url: URL, sending: Sending, error: Exception, out_of_time: bool) -> ToolCallFailed:
        here = surroundings.get()
        tool = here.started.tool if here is not None and here.started is not None else None
        what = f"{method} {url.origin()}"
        late = out_of_time or isinstance(error, TimeoutError)
        failure = FailureClass.TOOL_TIMED_OUT if late else FailureClass.TOOL_UNREACHABLE
        seconds = self._seconds if out_of_time else self._silent_seconds
        if not sending.is_connected:
            why = f"no connection within {seconds:g} s" if late else f"no connection ({_said(error)})"
            return RequestNotSent(f"{what}: {why}; nothing was sent", failure, tool=tool)
        why = f"no whole answer within {seconds:g} s" if late else f"the connection broke ({_said(error)})"
        return ToolCallFailed(f"{what}: {why}; the service may have received it", failure, tool=tool)


def _body(json: Any, form: Mapping[str, str] | None, content: bytes | str | None) -> tuple[bytes, dict[str, str]]:
    if (json is not None) + (form is not None) + (content is not None) > 1:
        raise ValueError("a request has one body: json, form or content")
    if json is not None:
        return orjson.dumps(json), {"Content-Type": "application/json"}
    if form is not None:
        return urlencode(dict(form)).encode(), {"Content-Type": "application/x-www-form-urlencoded"}
    if isinstance(content, str):
        return content.encode(), {"Content-Type": "text/plain; charset=utf-8"}
    return content or b"", {"Content-Type": "application/octet-stream"} if content else {}


def _said(error: BaseException) -> str:
    # Of an answer that is no HTTP it says the URL too, which may hold a secret.
    said = error.message if isinstance(error, aiohttp.ClientResponseError) else str(error)
    words = " ".join(said.split())
    return f"{type(error).__name__}: {words[:200]}" if words else type(error).__name__
