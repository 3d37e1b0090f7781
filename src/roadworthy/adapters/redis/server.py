"""Where the broker is and how to get in."""

from __future__ import annotations

import asyncio
import ssl
from typing import Any, cast

import hiredis
from redis.asyncio.connection import SSLConnection, parse_url
from redis.exceptions import RedisError

from roadworthy.adapters.redis.connection import Connection, OnMessage
from roadworthy.adapters.redis.errors import translated
from roadworthy.domain.errors import SettingsInvalid

CONNECT_SECONDS = 2.0
CLIENT_NAME = "roadworthy"


class RedisServer:
    """A server by its URL: `redis://`, `rediss://` or `unix://`, with the user, password, database and `ssl_…` options
    that redis-py knows; its other options have no meaning here. Raises SettingsInvalid for a URL that can't be used.
    """

    def __init__(self, url: str) -> None:
        try:
            options = cast(dict[str, Any], parse_url(url))
        except ValueError:
            # Not the error's own words: they may hold a piece of the password.
            raise SettingsInvalid(
                "The Redis URL can't be used: write it like redis://user:password@host:6379/0, with special "
                "characters of the password percent-encoded"
            ) from None
        self._path: str | None = options.get("path")
        self._host: str = options.get("host", "localhost")
        self._port: int = options.get("port", 6379)
        self._database: int = options.get("db", 0)
        self._user: str | None = options.get("username")
        self._password: str | None = options.get("password")
        self._tls = _tls_context(options) if options.get("connection_class") is SSLConnection else None
        if url.startswith("unix:") and not self._path:
            raise SettingsInvalid("The Redis URL can't be used: write it like unix:///path/to/redis.sock")
        self.where = self._path or f"{self._host}:{self._port}"
        """For messages: never with the password."""

    async def open(self, on_message: OnMessage | None = None) -> Connection:
        """A new connection, logged in. Raises BrokerUnavailable within CONNECT_SECONDS."""
        with translated(self.where):
            async with asyncio.timeout(CONNECT_SECONDS):
                connection = await self._connect(on_message)
                try:
                    await self._log_in(connection)
                except BaseException:
                    connection.abort()
                    raise
                return connection

    async def ping(self) -> None:
        """Raises BrokerUnavailable if the server does not let us in."""
        await (await self.open()).close()

    async def _connect(self, on_message: OnMessage | None) -> Connection:
        loop = asyncio.get_running_loop()
        if self._path:
            _, connection = await loop.create_unix_connection(lambda: Connection(on_message), self._path)
        else:
            _, connection = await loop.create_connection(
                lambda: Connection(on_message), self._host, self._port, ssl=self._tls
            )
        return connection

    async def _log_in(self, connection: Connection) -> None:
        if self._password is not None:
            user = () if self._user is None else (self._user,)
            await connection.call("AUTH", *user, self._password)
        elif self._user is not None:
            await connection.call("AUTH", self._user, "")
        if self._database:
            await connection.call("SELECT", self._database)
        try:
            await connection.call("CLIENT", "SETNAME", CLIENT_NAME)
        except hiredis.ReplyError as error:
            if not str(error).startswith(("NOPERM", "ERR unknown")):  # some managed servers keep CLIENT to themselves
                raise


def _tls_context(options: dict[str, Any]) -> ssl.SSLContext:
    chosen = {name: value for name, value in options.items() if name.startswith("ssl_")}
    try:
        return cast(ssl.SSLContext, cast(Any, SSLConnection(**chosen)).ssl_context.get())
    except (TypeError, ValueError, OSError, RedisError) as error:
        raise SettingsInvalid(f"The TLS options of the Redis URL can't be used: {error}") from error
