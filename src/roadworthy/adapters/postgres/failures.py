"""What asyncpg raises, in our own words: here and nowhere else."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import wraps
from types import CoroutineType
from typing import Any, Final, ParamSpec, TypeVar

import asyncpg  # pyright: ignore[reportMissingTypeStubs]

from roadworthy.domain.errors import InvalidRequest, RoadworthyError, SettingsInvalid, StoreUnavailable

Arguments = ParamSpec("Arguments")
Answer = TypeVar("Answer")

TRIES: Final = 4
"""How often a call runs whose transaction lost against others."""

ADDRESS: Final = "roadworthy_address"
"""Set by the pool on errors of its connections: the server's host and port, never a name or password."""

_LOST_AGAINST_OTHERS = (asyncpg.DeadlockDetectedError, asyncpg.SerializationError)
_SCHEMA_MISSING = (asyncpg.UndefinedTableError, asyncpg.UndefinedColumnError, asyncpg.UndefinedFunctionError)
_REJECTED = (asyncpg.DataError, asyncpg.ProgramLimitExceededError, asyncpg.IntegrityConstraintViolationError)
_REFUSED = (asyncpg.InvalidAuthorizationSpecificationError, asyncpg.InvalidCatalogNameError)
_WALL = "tasks_session_wall"


class StatementRefused(Exception):
    """The server, or asyncpg before it, refused a statement for a reason that callers can do something about."""


class SessionOccupied(StatementRefused):
    """The unique index kept a second task out of a session."""


class NotAccepted(StatementRefused):
    """PostgreSQL can't keep a value that it was given."""


def translated(call: Callable[Arguments, Awaitable[Answer]]) -> Callable[Arguments, CoroutineType[Any, Any, Answer]]:
    """Raise StoreUnavailable for everything that is the store's fault; run again what lost against others."""

    @wraps(call)
    async def run(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Answer:
        for _ in range(TRIES - 1):
            try:
                return await call(*args, **kwargs)
            except (*_LOST_AGAINST_OTHERS, SessionOccupied):
                continue
            except Exception as error:
                raise in_our_words(error) from error
        try:
            return await call(*args, **kwargs)
        except Exception as error:
            raise in_our_words(error) from error

    return run


def in_our_words(error: Exception) -> Exception:
    """What a caller of a port sees instead of `error`; programming errors stay what they are."""
    match error:
        case RoadworthyError():
            return error
        case SessionOccupied():
            return StoreUnavailable("The session is changing too often just now. Try again in a few seconds.")
        case NotAccepted():
            return InvalidRequest(f"The store can't keep a value of this request: {error}.")
        case _ if isinstance(error, _SCHEMA_MISSING):
            return StoreUnavailable(f"The database does not fit this release; run `roadworthy migrate`. ({error})")
        case asyncpg.SyntaxOrAccessError():
            return error
        case asyncpg.PostgresError() if not isinstance(error, asyncpg.PostgresConnectionError):
            return StoreUnavailable(f"The store can't answer: {error}. Nothing may have been accepted; try again.")
        case asyncpg.PostgresError() | asyncpg.InterfaceError() | asyncpg.InternalClientError() | OSError():
            where = f" at {address}" if (address := getattr(error, ADDRESS, None)) else ""
            reason = str(error) or type(error).__name__
            return StoreUnavailable(f"The connection to the store{where} is lost: {reason}. Try again.")
        case _:
            return error


def when_connecting(error: Exception) -> Exception:
    """SettingsInvalid for what will not go away by waiting; a ValueError is about the URL."""
    if isinstance(error, (*_REFUSED, ValueError)):
        return SettingsInvalid(f"ROADWORTHY_DATABASE_URL can't be used: {error}.")
    return in_our_words(error)


def from_statement(error: Exception) -> Exception:
    """SessionOccupied and NotAccepted, so that callers can treat them; anything else as it is."""
    if isinstance(error, asyncpg.UniqueViolationError) and getattr(error, "constraint_name", None) == _WALL:
        return SessionOccupied()
    if isinstance(error, _REJECTED):
        return NotAccepted(str(error))
    # asyncpg's own DataError, for what it can't encode, has no public name.
    if isinstance(error, asyncpg.InterfaceError) and isinstance(error, ValueError):
        return NotAccepted(str(error))
    return error
