"""What somebody asks for, checked as far as that needs nobody else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, cast
from uuid import UUID

import orjson

from roadworthy.domain.errors import InputTooLarge, InvalidRequest
from roadworthy.domain.ids import SessionId
from roadworthy.domain.keepable import MOST_DEPTH, is_too_deep
from roadworthy.domain.task import OnBusy

MOST_INPUT_BYTES = 256 * 1024
MOST_METADATA_BYTES = 16 * 1024
MOST_KEY_CHARACTERS = 255

_FIELDS = ("agent", "input", "session_id", "metadata", "limits", "on_busy")
_ON_BUSY = {choice.value: choice for choice in OnBusy}


@dataclass(frozen=True, slots=True)
class Submission:
    """A request for a task, every field of the right type and size."""

    input: str
    agent: str | None = None
    session_id: SessionId | None = None
    metadata: bytes = b"{}"
    """JSON object."""
    limits: Mapping[str, Any] = field(default_factory=dict[str, Any])
    on_busy: OnBusy = OnBusy.QUEUE
    idempotency_key: str | None = None

    def digest(self) -> bytes:
        """The same for two requests that ask for the same."""
        metadata = orjson.loads(self.metadata)
        parts = (self.agent, self.input, self.session_id, metadata, self.limits, self.on_busy)
        return sha256(orjson.dumps(parts, option=orjson.OPT_SORT_KEYS)).digest()


def read_submission(body: Mapping[str, Any], idempotency_key: str | None = None) -> Submission:
    """The submission in a decoded JSON object.

    Raises InvalidRequest, naming the field, for what is unknown, missing or of another type than documented;
    InputTooLarge for more than `MOST_INPUT_BYTES` of input.
    """
    for name in body:
        if name not in _FIELDS:
            raise InvalidRequest(f"unknown field {name!r}; there are {', '.join(_FIELDS)}")
    return Submission(
        input=input_in(body),
        agent=_text_or_none(body, "agent"),
        session_id=_session_id(body),
        metadata=_metadata(body),
        limits=_object(body, "limits"),
        on_busy=_on_busy(body),
        idempotency_key=_key(idempotency_key),
    )


def input_in(body: Mapping[str, Any]) -> str:
    """The message for the agent; InvalidRequest for none, InputTooLarge for more than `MOST_INPUT_BYTES`."""
    value = body.get("input")
    if not isinstance(value, str):
        if "input" not in body:
            raise InvalidRequest("input is missing: the message for the agent, as a string")
        raise InvalidRequest(f"input must be a string, not {_kind(value)}")
    if not value.strip():
        raise InvalidRequest("input must not be empty")
    # A character has at most four bytes: most inputs need not be encoded to know that they are small enough.
    if len(value) * 4 > MOST_INPUT_BYTES and len(value.encode()) > MOST_INPUT_BYTES:
        raise InputTooLarge(f"input is larger than {MOST_INPUT_BYTES // 1024} KiB")
    if "\0" in value:
        raise InvalidRequest("input has a NUL character (U+0000), which can't be stored")
    return value


def _text_or_none(body: Mapping[str, Any], name: str) -> str | None:
    value = body.get(name)
    if value is None or isinstance(value, str):
        return value
    raise InvalidRequest(f"{name} must be a string, not {_kind(value)}")


def _session_id(body: Mapping[str, Any]) -> SessionId | None:
    value = _text_or_none(body, "session_id")
    if value is None:
        return None
    try:
        return UUID(value)
    except ValueError:
        raise InvalidRequest("session_id must be a session's id; leave it away to open a new session") from None


def _metadata(body: Mapping[str, Any]) -> bytes:
    value = _object(body, "metadata")
    if not value:
        return b"{}"
    try:
        encoded = orjson.dumps(value)
    except TypeError:
        encoded = b"[" * (MOST_DEPTH + 1)
    if is_too_deep(encoded):
        raise InvalidRequest(f"metadata is nested deeper than {MOST_DEPTH} levels")
    if len(encoded) > MOST_METADATA_BYTES:
        raise InvalidRequest(f"metadata is larger than {MOST_METADATA_BYTES // 1024} KiB")
    if b"\\u0000" in encoded and _has_nul(value):
        raise InvalidRequest("metadata has a NUL character (U+0000), which can't be stored")
    return encoded


def _object(body: Mapping[str, Any], name: str) -> dict[str, Any]:
    value = body.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise InvalidRequest(f"{name} must be an object, not {_kind(value)}")
    return cast(dict[str, Any], value)


def _on_busy(body: Mapping[str, Any]) -> OnBusy:
    value = body.get("on_busy")
    if value is None:
        return OnBusy.QUEUE
    choice = _ON_BUSY.get(value) if isinstance(value, str) else None
    if choice is None:
        raise InvalidRequest(f"on_busy must be one of {', '.join(_ON_BUSY)}, not {value!r}")
    return choice


def _key(value: str | None) -> str | None:
    if value is None:
        return None
    if not (value.isascii() and value.isprintable() and 0 < len(value) <= MOST_KEY_CHARACTERS):
        raise InvalidRequest(f"Idempotency-Key must be 1 to {MOST_KEY_CHARACTERS} printable ASCII characters")
    return value


def _has_nul(value: object) -> bool:
    if isinstance(value, str):
        return "\0" in value
    if isinstance(value, dict):
        members = cast(dict[str, object], value)
        return any(_has_nul(name) or _has_nul(member) for name, member in members.items())
    return isinstance(value, list) and any(_has_nul(member) for member in cast(list[object], value))


def _kind(value: object) -> str:
    """A value's type as JSON calls it."""
    match value:
        case None:
            return "null"
        case bool():
            return "a boolean"
        case int() | float():
            return "a number"
        case str():
            return "a string"
        case list():
            return "an array"
        case _:
            return "an object"
