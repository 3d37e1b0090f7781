"""Sorts errors of provider clients, HTTP libraries and plain connections into classes of failure.

Known by name, so that none of these libraries need be installed.
"""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from json import JSONDecodeError
from typing import Any, cast

from roadworthy.domain.errors import AttemptFailed, ModelCallFailed, ToolCallFailed
from roadworthy.domain.failure_class import FailureClass
from roadworthy.domain.keepable import in_words

MOST_WORDS = 300
"""Characters of what a provider says that are passed on."""

_F = FailureClass

_STATUSES = {
    401: _F.AUTHENTICATION_FAILED,
    402: _F.QUOTA_USED_UP,
    403: _F.PERMISSION_DENIED,
    404: _F.UNKNOWN_MODEL,
    408: _F.MODEL_TIMED_OUT,
    409: _F.PROVIDER_FAILED,
    413: _F.CONTEXT_TOO_LONG,
    425: _F.PROVIDER_FAILED,
    429: _F.PROVIDER_RATE_LIMITED,
    504: _F.MODEL_TIMED_OUT,
    529: _F.PROVIDER_OVERLOADED,
}

_CODES = {
    "overloaded": _F.PROVIDER_OVERLOADED,
    "insufficient_quota": _F.QUOTA_USED_UP,
    "billing": _F.QUOTA_USED_UP,
    "credit": _F.QUOTA_USED_UP,
    "spend_limit": _F.QUOTA_USED_UP,
    "rate_limit": _F.PROVIDER_RATE_LIMITED,
    "too_many_requests": _F.PROVIDER_RATE_LIMITED,
    "context_length": _F.CONTEXT_TOO_LONG,
    "request_too_large": _F.CONTEXT_TOO_LONG,
    "content_policy": _F.CONTENT_REFUSED,
    "content_filter": _F.CONTENT_REFUSED,
    "moderation": _F.CONTENT_REFUSED,
    "model_not_found": _F.UNKNOWN_MODEL,
    "not_found": _F.UNKNOWN_MODEL,
    "api_key": _F.AUTHENTICATION_FAILED,
    "authentication": _F.AUTHENTICATION_FAILED,
    "permission": _F.PERMISSION_DENIED,
    "timeout": _F.MODEL_TIMED_OUT,
    "api_error": _F.PROVIDER_FAILED,
    "server_error": _F.PROVIDER_FAILED,
    "unavailable": _F.PROVIDER_OVERLOADED,
    "invalid_request": _F.INVALID_MODEL_REQUEST,
}
"""Parts of a provider's `code` or `type`; the first one that is there counts."""

_PHRASES = {
    "overloaded": _F.PROVIDER_OVERLOADED,
    "over capacity": _F.PROVIDER_OVERLOADED,
    "credit balance": _F.QUOTA_USED_UP,
    "maximum context length": _F.CONTEXT_TOO_LONG,
    "prompt is too long": _F.CONTEXT_TOO_LONG,
    "input is too long": _F.CONTEXT_TOO_LONG,
    "context window": _F.CONTEXT_TOO_LONG,
    "content management policy": _F.CONTENT_REFUSED,
    "content filter": _F.CONTENT_REFUSED,
}
"""Parts of a provider's message that say more than a general status (400, 429, 503) does."""

_GENERAL = {400, 422, 429, 500, 503}

_TIMED_OUT = {
    ("openai", "APITimeoutError"),
    ("anthropic", "APITimeoutError"),
    ("httpx", "TimeoutException"),
    ("httpx2", "TimeoutException"),
    ("httpcore", "TimeoutException"),
    ("httpcore2", "TimeoutException"),
    ("requests", "Timeout"),
}
_BROKEN = {
    ("openai", "APIConnectionError"),
    ("anthropic", "APIConnectionError"),
    ("openai", "APIResponseValidationError"),
    ("anthropic", "APIResponseValidationError"),
    ("httpx", "TransportError"),
    ("httpx2", "TransportError"),
    ("httpcore", "NetworkError"),
    ("httpcore", "ProtocolError"),
    ("httpcore2", "NetworkError"),
    ("httpcore2", "ProtocolError"),
    ("aiohttp", "ClientConnectionError"),
    ("aiohttp", "ClientPayloadError"),
    ("aiohttp", "ContentTypeError"),
    ("h11", "RemoteProtocolError"),
    ("requests", "ConnectionError"),
    ("requests", "ChunkedEncodingError"),
    ("urllib3", "HTTPError"),
}
_NOT_CONNECTED = {
    ("aiohttp", "ClientConnectorError"),
    ("aiohttp", "ConnectionTimeoutError"),
    ("httpx", "ConnectError"),
    ("httpx", "ConnectTimeout"),
    ("httpx2", "ConnectError"),
    ("httpx2", "ConnectTimeout"),
    ("httpcore", "ConnectError"),
    ("httpcore", "ConnectTimeout"),
    ("httpcore2", "ConnectError"),
    ("httpcore2", "ConnectTimeout"),
    ("requests", "ConnectTimeout"),
    ("urllib3", "NewConnectionError"),
}
_PERHAPS_AT_WORK = {408, 499, 504, 522, 524}
"""Statuses of a gateway that did not wait any longer for a model that may have answered."""
_REPORTED_IN_STREAM = {("openai", "APIError"), ("anthropic", "APIError")}
_DAMAGED = (JSONDecodeError, UnicodeDecodeError)


def class_of(error: BaseException) -> FailureClass | None:
    """The class of an error that came from outside; None for one that says nothing of a provider or a connection."""
    names = _names(error)
    status = _status(error)
    if status is not None:
        return _by_answer(status, error)
    if isinstance(error, TimeoutError) or names & _TIMED_OUT:
        return _F.CONNECTION_BROKEN if lost_connection(error) else _F.MODEL_TIMED_OUT
    if isinstance(error, ConnectionError | asyncio.IncompleteReadError) or names & _BROKEN:
        return _F.CONNECTION_BROKEN
    if names & _REPORTED_IN_STREAM:
        return _by_words(error) or _F.PROVIDER_FAILED
    return None


def model_failure(error: Exception, model: str) -> ModelCallFailed | None:
    """What went wrong between us and a model's provider; None for an error of the code that called it."""
    failure = class_of(error)
    if failure is None and isinstance(error, _DAMAGED):
        failure = _F.CONNECTION_BROKEN
    return None if failure is None else failed_model_call(error, model, failure)


def failed_model_call(error: Exception, model: str, failure: FailureClass) -> ModelCallFailed:
    message = f"the call of the model {model!r} failed: {failure.treatment.what} ({said(error)})"
    return ModelCallFailed(message, failure, retry_after=retry_after(error), is_unbilled=is_unbilled(error))


def is_unbilled(error: BaseException) -> bool:
    """Whether a provider certainly takes nothing for a call that ended so: it refused it before it began to answer, or
    never heard of it. A time limit, a lost connection and an error inside an answer leave that open."""
    if getattr(error, "in_stream", False):
        return False
    if (status := _status(error)) is not None:
        return status not in _PERHAPS_AT_WORK
    causes = list(_causes(error))
    if any(isinstance(cause, ConnectionRefusedError | socket.gaierror) for cause in causes):
        return True
    return not lost_connection(error) and any(_names(cause) & _NOT_CONNECTED for cause in causes)


def lost_connection(error: BaseException) -> bool:
    """Whether a connection was refused or lost, whatever a client makes of it: over aiohttp, httpx calls a connection
    that is reset after the request a ConnectTimeout."""
    return any(isinstance(cause, ConnectionError) for cause in _causes(error))


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error and what it came from. Not its context: that may be another call, which failed before."""
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__


def tool_failure(error: Exception, tool: str) -> ToolCallFailed | None:
    """What happened to the connection of a tool, or to the service behind it; None for an error that says nothing of
    them."""
    match class_of(error):
        case None:
            return None
        case _F.MODEL_TIMED_OUT:
            failure = _F.TOOL_TIMED_OUT
        case _F.CONNECTION_BROKEN:
            failure = _F.TOOL_UNREACHABLE
        case _F.PROVIDER_FAILED | _F.PROVIDER_OVERLOADED | _F.PROVIDER_RATE_LIMITED:
            failure = _F.TOOL_SERVICE_FAILED
        case _:
            # The service has understood it, and would say the same again.
            failure = _F.TOOL_CALL_FAILED
    refused = "the service behind it refused the call"
    what = refused if failure is _F.TOOL_CALL_FAILED else failure.treatment.what
    message = f"the tool {tool!r} failed: {what} ({said(error)})"
    return ToolCallFailed(message, failure, retry_after=retry_after(error), tool=tool)


def agent_failure(error: Exception) -> AttemptFailed | None:
    """What happened to a provider or a connection that the agent used without the gate; None for any other error."""
    failure = class_of(error)
    if failure is None:
        return None
    message = f"the agent raised {type(error).__name__}: {failure.treatment.what} ({said(error)})"
    return AttemptFailed(message, failure, retry_after=retry_after(error))


def said(error: BaseException) -> str:
    """Status and message of a provider's answer, in one short line without markup."""
    status = _status(error)
    message = next(_messages(error), None) or in_words(error) or "no message"
    if message.lstrip().startswith("<"):
        message = re.sub(r"<(script|style)\b.*?</\1>|<[^>]*>", " ", message, flags=re.DOTALL | re.IGNORECASE)
    message = " ".join(message.split())
    if len(message) > MOST_WORDS:
        message = f"{message[: MOST_WORDS - 1]}…"
    name = "" if status is not None else f"{type(error).__name__}: "
    return f"{name}{message}" if status is None else f"{status}: {message}"


def retry_after(error: BaseException) -> float | None:
    """Seconds that the provider asked us to wait: `retry-after-ms`, or `retry-after` in seconds or as an HTTP date."""
    headers = _headers(error)
    milliseconds = _number(headers.get("retry-after-ms"))
    if milliseconds is not None:
        return milliseconds / 1000
    text = headers.get("retry-after")
    if (seconds := _number(text)) is not None:
        return seconds
    if text:
        try:
            date = parsedate_to_datetime(text)
        except ValueError:
            return None
        return max((date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp() - datetime.now(UTC).timestamp(), 0)
    seconds = getattr(error, "retry_after", None)
    return float(seconds) if isinstance(seconds, int | float) else None


def _names(error: BaseException) -> set[tuple[str, str]]:
    """Of its class and those that it inherits from, each with its package."""
    return {(kind.__module__.partition(".")[0], kind.__name__) for kind in type(error).__mro__}


def _by_answer(status: int, error: BaseException) -> FailureClass | None:
    if status in _GENERAL and (more := _by_words(error)):
        return more
    if status in _STATUSES:
        return _STATUSES[status]
    if status >= 500:
        return _F.PROVIDER_FAILED
    return _F.INVALID_MODEL_REQUEST if status >= 400 else None


def _by_words(error: BaseException) -> FailureClass | None:
    codes = [text.lower() for text in _codes(error)]
    for part, failure in _CODES.items():
        if any(part in code for code in codes) and failure is not _F.INVALID_MODEL_REQUEST:
            return failure
    messages = [text.lower() for text in _messages(error)]
    for part, failure in _PHRASES.items():
        if any(part in message for message in messages):
            return failure
    return None


def _status(error: BaseException) -> int | None:
    for name in ("status_code", "status"):
        status: object = getattr(error, name, None)
        if isinstance(status, int) and 400 <= status < 600:
            return status
    status = getattr(getattr(error, "response", None), "status_code", None)
    return status if isinstance(status, int) and 400 <= status < 600 else None


def _bodies(error: BaseException) -> Iterator[Mapping[str, Any]]:
    """The provider's error object, from the outside inwards."""
    body: object = getattr(error, "body", None)
    while isinstance(body, dict):
        fields = cast(Mapping[str, Any], body)
        yield fields
        body = fields.get("error")


def _codes(error: BaseException) -> Iterator[str]:
    found = [getattr(error, name, None) for name in ("provider_error_code", "provider_error_type", "code", "type")]
    found += [body.get(name) for body in _bodies(error) for name in ("code", "type")]
    return (text for text in found if isinstance(text, str))


def _messages(error: BaseException) -> Iterator[str]:
    """What the provider said, innermost first, then what the client made of it."""
    found = [body.get(name) for body in reversed(list(_bodies(error))) for name in ("message", "error", "detail")]
    found += [getattr(error, "message", None), in_words(error)]
    return (text for text in found if isinstance(text, str) and text)


def _headers(error: BaseException) -> dict[str, str]:
    headers: Any = getattr(error, "headers", None) or getattr(getattr(error, "response", None), "headers", None)
    try:
        return {str(name).lower(): str(value) for name, value in headers.items()}
    except AttributeError:
        return {}


def _number(text: str | None) -> float | None:
    try:
        number = float(text or "")
    except ValueError:
        return None
    return number if 0 <= number < 1e9 else None
