"""Who is asking."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from starlette.requests import HTTPConnection

from roadworthy.domain.principal import DEVELOPER, Principal

Authenticate = Callable[[HTTPConnection], Awaitable[Principal]]
"""The principal of a request; NotAllowed if it can't be told."""


async def everybody_is_the_developer(connection: HTTPConnection) -> Principal:
    """AUTH=dev: only behind `LoopbackOnly`, on a loopback address."""
    return DEVELOPER
