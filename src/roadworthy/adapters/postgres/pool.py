"""Connections: few, kept, and thrown away as soon as one of them is in doubt."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final
from urllib.parse import urlsplit

import asyncpg  # pyright: ignore[reportMissingTypeStubs]

from roadworthy.adapters.postgres.failures import ADDRESS, StatementRefused, from_statement, translated, when_connecting
from roadworthy.adapters.postgres.rows import Row
from roadworthy.domain.errors import RoadworthyError, SettingsInvalid

OLDEST_SERVER: Final = 15
IDLE_SECONDS: Final = 240.0
"""Balancers forget idle connections after 350 seconds; ours are closed before."""

_SERVER_SETTINGS: Final = {
    "idle_in_transaction_session_timeout": "5s",
    "lock_timeout": "5s",
    "statement_timeout": "10s",
    "jit": "off",
    # Planning costs more than running these statements. A plan is made once, perhaps while the tables are still
    # empty, and then kept: it must use the indexes.
    "plan_cache_mode": "force_generic_plan",
    "enable_seqscan": "off",
}


class RollBack(Exception):
    """Leaves a transaction without a trace."""


class Transaction:
    """Runs statements on one connection; inside `Pool.transaction` all of them commit together or none."""

    def __init__(self, connection: Any, seconds: float) -> None:
        self._connection = connection
        self._seconds = seconds

    async def fetch(self, query: str, *values: object) -> Sequence[Row]:
        """The rows of the answer. Raises NotAccepted or SessionOccupied where callers can do something about it."""
        try:
            return await self._connection.fetch(query, *values, timeout=self._seconds)
        except Exception as error:
            raise from_statement(error) from error

    async def execute(self, script: str) -> None:
        """Statements without values; none of them gives rows."""
        await self._connection.execute(script, timeout=self._seconds)


class Pool:
    """Up to `size` connections of one event loop, opened when they are needed.

    A call waits at most `seconds` for a connection and as long for every answer: a server process that was stopped
    does not honour its own timeouts. Whatever ends other than with the server's answer closes the connection.
    """

    def __init__(self, dsn: str, size: int = 4, *, seconds: float = 15, application_name: str = "roadworthy") -> None:
        self._dsn = dsn
        self._address = address_of(dsn)
        self._seconds = seconds
        self._settings: dict[str, str] = {**_SERVER_SETTINGS, "application_name": application_name}
        self._free = asyncio.Semaphore(size)
        self._idle: list[tuple[Any, float]] = []
        self._closed = False

    async def fetch(self, query: str, *values: object) -> Sequence[Row]:
        """One statement in a transaction of its own."""
        async with self._connection() as connection:
            return await Transaction(connection, self._seconds).fetch(query, *values)

    @asynccontextmanager
    async def transaction(self) -> AsyncGenerator[Transaction]:
        """Commits at the end, rolls back on an exception. Await nothing but its statements inside."""
        async with self._connection() as connection:
            transaction = Transaction(connection, self._seconds)
            await transaction.execute("begin")
            try:
                yield transaction
            except BaseException as error:
                if _answered(error):
                    await transaction.execute("rollback")
                raise
            await transaction.execute("commit")

    async def close(self) -> None:
        """Close what is idle now, and what is in use as soon as it is given back."""
        self._closed = True
        self._drop_idle()

    @asynccontextmanager
    async def _connection(self) -> AsyncGenerator[Any]:
        try:
            async with self._taken() as connection:
                yield connection
        except (
            OSError,
            asyncpg.PostgresConnectionError,
            asyncpg.InterfaceError,
            asyncpg.InternalClientError,
        ) as error:
            setattr(error, ADDRESS, self._address)
            raise

    @asynccontextmanager
    async def _taken(self) -> AsyncGenerator[Any]:
        async with asyncio.timeout(self._seconds):
            await self._free.acquire()
        try:
            connection = self._take_idle() or await self._connect()
            try:
                yield connection
            except BaseException as error:
                if not _answered(error):
                    connection.terminate()
                    if not isinstance(error, asyncio.CancelledError):
                        self._drop_idle()
                raise
            finally:
                self._give_back(connection)
        finally:
            self._free.release()

    def _take_idle(self) -> Any | None:
        now = asyncio.get_running_loop().time()
        while self._idle:
            connection, since = self._idle.pop()
            if not connection.is_closed() and now - since < IDLE_SECONDS:
                return connection
            connection.terminate()
        return None

    def _give_back(self, connection: Any) -> None:
        if connection.is_closed():
            return
        if self._closed or connection.is_in_transaction():
            connection.terminate()
        else:
            self._idle.append((connection, asyncio.get_running_loop().time()))

    def _drop_idle(self) -> None:
        """The others have probably gone the same way; each would cost somebody a failure to find out."""
        for connection, _ in self._idle:
            connection.terminate()
        self._idle.clear()

    async def _connect(self) -> Any:
        try:
            return await self._connect_with(self._settings)
        except asyncpg.ProtocolViolationError as error:
            if "startup parameter" not in str(error):
                raise
            # A pooler that passes none on: what protects us then is our own clock and the database's configuration.
            self._settings = {}
            return await self._connect_with(self._settings)

    async def _connect_with(self, settings: dict[str, str]) -> Any:
        return await asyncpg.connect(  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
            self._dsn,
            timeout=self._seconds,  # pyright: ignore[reportArgumentType]
            command_timeout=self._seconds,
            max_cached_statement_lifetime=0,
            server_settings=settings,
        )


async def open_pool(dsn: str, size: int = 4, *, seconds: float = 15, application_name: str = "roadworthy") -> Pool:
    """A pool whose server has answered.

    Raises SettingsInvalid for a refused name, password or database and for a server older than 15, StoreUnavailable
    when nobody answers.
    """
    pool = Pool(dsn, size, seconds=seconds, application_name=application_name)
    try:
        rows = await pool.fetch("select current_setting('server_version_num')::integer / 10000")
    except Exception as error:
        await pool.close()
        raise when_connecting(error) from error
    if rows[0][0] < OLDEST_SERVER:
        await pool.close()
        raise SettingsInvalid(
            f"This is PostgreSQL {rows[0][0]}; Roadworthy needs {OLDEST_SERVER} or later. "
            "Set ROADWORTHY_DATABASE_URL to a newer server."
        )
    return pool


@translated
async def ping(pool: Pool) -> None:
    """StoreUnavailable if the store does not answer."""
    await pool.fetch("select 1")


def address_of(dsn: str) -> str:
    """Host and port alone; nothing where the URL leaves them to the surroundings or has several."""
    try:
        parts = urlsplit(dsn)
        host, port = parts.hostname, parts.port or 5432
    except ValueError:
        return ""
    return f"{f'[{host}]' if ':' in host else host}:{port}" if host else ""


def _answered(error: BaseException) -> bool:
    """Whether the connection is in a known state: the server answered, or was not asked."""
    if isinstance(error, asyncpg.PostgresError):
        return not isinstance(error, asyncpg.PostgresConnectionError | asyncpg.OperatorInterventionError)
    return isinstance(error, StatementRefused | RollBack | RoadworthyError)
