"""Problem documents (RFC 9457): the only way in which a request fails."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from math import ceil
from typing import Any

import orjson
from starlette.responses import Response

from roadworthy.domain.errors import (
    BrokerUnavailable,
    Conflict,
    DecisionTooSoon,
    IllegalCursor,
    InputTooLarge,
    InvalidRequest,
    MalformedRequest,
    NotAllowed,
    NotFound,
    OutOfBudget,
    RoadworthyError,
    StoreUnavailable,
)

RETRY_SECONDS = 2

_STATUS: Mapping[type[RoadworthyError], int] = {
    MalformedRequest: 400,
    IllegalCursor: 400,
    InputTooLarge: 413,
    InvalidRequest: 422,
    NotFound: 404,
    Conflict: 409,
    NotAllowed: 403,
    OutOfBudget: 402,
    StoreUnavailable: 503,
    BrokerUnavailable: 503,
}


def status_of(error: RoadworthyError) -> int | None:
    """The HTTP status that a failure is told with; None for one that is not the caller's to know."""
    return next((_STATUS[kind] for kind in type(error).__mro__ if kind in _STATUS), None)


def problem_of(error: RoadworthyError, status: int, **more: Any) -> Response:
    headers: dict[str, str] = {}
    if status == 503:
        headers["retry-after"] = str(RETRY_SECONDS)
    elif isinstance(error, OutOfBudget):
        headers["retry-after"] = str(max(ceil(error.retry_after), 1))
    elif isinstance(error, DecisionTooSoon):
        headers["retry-after"] = str(max(ceil(error.retry_after), 1))
        more["retry_after_seconds"] = max(round(error.retry_after, 3), 0)
    elif status == 413:
        # The rest of a body that nobody will read would stand before the next request.
        headers["connection"] = "close"
    title = (type(error).__doc__ or "").strip()
    return problem(status, error.code, title, error.message, headers=headers, **more)


def problem(
    status: int,
    code: str,
    title: str,
    detail: str,
    *,
    headers: Mapping[str, str] | None = None,
    **more: Any,
) -> Response:
    """A problem document; `title` is the same for every problem of that `code`, `detail` tells of this one."""
    document = {
        "type": f"urn:roadworthy:problem:{code}",
        "title": title or HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "code": code,
        **more,
    }
    body = orjson.dumps(document)
    return Response(body, status, headers, media_type="application/problem+json")
