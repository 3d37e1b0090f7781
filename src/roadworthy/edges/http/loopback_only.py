"""With AUTH=dev everybody is the developer, so a web page of somebody else must not get in through the browser.

A page whose own host name was made to point at 127.0.0.1 (DNS rebinding) still names that host in `Host`, and
requests across origins name theirs in `Origin`.
"""

from __future__ import annotations

from ipaddress import ip_address

from starlette.types import ASGIApp, Receive, Scope, Send

from roadworthy.domain.errors import NotAllowed


class LoopbackOnly:
    """ASGI middleware: NotAllowed unless Host names loopback, and Origin, where there is one, the same place.

    Any page served on another local port could otherwise spend the developer's money.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            check_headers(scope["headers"])
        elif scope["type"] == "websocket":
            try:
                check_headers(scope["headers"])
            except NotAllowed:
                await send({"type": "websocket.close", "code": 1008})
                return
        await self._app(scope, receive, send)


def check_headers(headers: list[tuple[bytes, bytes]]) -> None:
    hosts = [value for name, value in headers if name == b"host"]
    if len(hosts) != 1 or not _is_loopback(hosts[0]):
        raise NotAllowed("with AUTH=dev this server answers only to localhost, 127.0.0.1 or [::1] as its Host")
    for name, value in headers:
        if name == b"origin":
            scheme, _, host = value.partition(b"://")
            if scheme not in (b"http", b"https") or host.lower() != hosts[0].lower():
                raise NotAllowed("with AUTH=dev only pages of this server itself may call it (Origin)")
        elif name == b"sec-fetch-site" and value not in (b"same-origin", b"none"):
            raise NotAllowed("with AUTH=dev only pages of this server itself may call it (Sec-Fetch-Site)")


_seen: dict[bytes, bool] = {}


def _is_loopback(host: bytes) -> bool:
    """Whether `host[:port]` names loopback. Remembered for the few spellings that a server ever sees."""
    known = _seen.get(host)
    if known is None:
        known = _names_loopback(host.decode("latin-1"))
        if len(_seen) < 100:
            _seen[host] = known
    return known


def _names_loopback(host: str) -> bool:
    if host.startswith("["):
        name, bracket, port = host[1:].partition("]")
        if not bracket or (port and not port.startswith(":")):
            return False
        port = port[1:]
    else:
        name, _, port = host.partition(":")
    if port and not (port.isascii() and port.isdigit()):
        return False
    if name.lower().rstrip(".") == "localhost":
        return True
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return False
