"""Reads query parameters and the headers that steer an answer."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from starlette.requests import Request

from roadworthy.core.insight.page import MOST_ON_A_PAGE
from roadworthy.domain.errors import IllegalCursor, InvalidRequest
from roadworthy.domain.task import TaskStatus
from roadworthy.ports.task_store import TaskFilter

MOST_WAIT_SECONDS = 120.0
_MOST_DIGITS = 16


def task_filter(request: Request) -> TaskFilter:
    """InvalidRequest, naming the parameter, for what is unknown or can't be used."""
    only(request, "status", "session_id", "agent", "limit", "cursor")
    query = request.query_params
    status, session_id = query.get("status"), query.get("session_id")
    if status is not None and status not in TaskStatus.__members__.values():
        raise InvalidRequest(f"status must be one of {', '.join(TaskStatus)}, not {status!r}")
    try:
        session = None if session_id is None else UUID(session_id)
    except ValueError:
        raise InvalidRequest(f"session_id must be a session's id, not {session_id!r}") from None
    return TaskFilter(None if status is None else TaskStatus(status), session, query.get("agent"), limit(request))


def limit(request: Request) -> int:
    value = request.query_params.get("limit", "50")
    number = int(value) if value.isascii() and value.isdigit() and len(value) <= _MOST_DIGITS else 0
    if not 1 <= number <= MOST_ON_A_PAGE:
        raise InvalidRequest(f"limit must be a whole number from 1 to {MOST_ON_A_PAGE}, not {value!r}")
    return number


def moment_in(given: Mapping[str, Any], name: str) -> float | None:
    """Seconds since 1970 of a moment like `2026-05-04T12:00:00Z`; InvalidRequest for anything else."""
    text = given.get(name)
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            raise ValueError
        seconds = moment.timestamp()
        # In UTC it may be in another year, which no date of a store has room for.
        datetime.fromtimestamp(seconds, UTC)
        return seconds
    except (ValueError, OverflowError, OSError):
        raise InvalidRequest(
            f"{name} must be a moment like 2026-05-04T12:00:00Z, with its zone, not {text!r}"
        ) from None


def only(request: Request, *names: str) -> None:
    """InvalidRequest for a parameter that isn't named: a filter with a typing error would show everything."""
    for name in request.query_params:
        if name not in names:
            known = f"; there are {', '.join(names)}" if names else ""
            raise InvalidRequest(f"unknown query parameter {name!r}{known}")


def event_cursor(request: Request) -> int:
    """`Last-Event-ID`, which a browser sends when it reconnects, or else `?after=`; IllegalCursor for no number."""
    value = request.headers.get("last-event-id") or request.query_params.get("after", "0")
    if not (value.isascii() and value.isdigit() and len(value) <= _MOST_DIGITS):
        raise IllegalCursor
    return int(value)


def wait_seconds(request: Request) -> float:
    """How long `Prefer: wait=…` (RFC 7240) wants the answer to be waited for, at most `MOST_WAIT_SECONDS`."""
    header = request.headers.get("prefer")
    if header is None:
        return 0
    for preference in header.replace(";", ",").split(","):
        name, _, value = preference.partition("=")
        value = value.strip().strip('"')
        if name.strip().lower() == "wait" and value.isascii() and value.isdigit():
            return min(float(value[:_MOST_DIGITS]), MOST_WAIT_SECONDS)
    return 0
