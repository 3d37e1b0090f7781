"""How an operator wants a dead task to go on, checked as far as that needs nobody else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from roadworthy.core.intake.submission import input_in
from roadworthy.domain.errors import InvalidRequest
from roadworthy.domain.limits import Limits
from roadworthy.domain.service import check_name

MOST_NOTE_CHARACTERS = 1000
_MOST_DIGITS = 20
_OF_ONE = ("input", "limits", "version", "from_start", "repeat_effects", "note")
_OF_MANY = tuple(name for name in _OF_ONE if name != "input")


@dataclass(frozen=True, slots=True)
class ResumeOrder:
    """From the failed step and as it is, unless something else is said."""

    input: str | None = None
    limits: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """Some of a task's limits, also above those of its service."""
    version: str | None = None
    from_start: bool = False
    repeat_effects: bool = False
    """What the tools have done may be done again."""
    note: str | None = None


def read_resume(body: Mapping[str, Any], *, many: bool = False) -> ResumeOrder:
    """The order in a decoded JSON object; InvalidRequest, naming the field, or InputTooLarge.

    `many` tasks have no input in common.
    """
    check_fields(body, _OF_MANY if many else _OF_ONE)
    order = ResumeOrder(
        input=None if body.get("input") is None else input_in(body),
        limits=_limits(body),
        version=_version(body),
        from_start=flag_in(body, "from_start"),
        repeat_effects=flag_in(body, "repeat_effects"),
        note=note_in(body),
    )
    if order.repeat_effects and not order.from_start:
        raise InvalidRequest(
            "repeat_effects goes with from_start: going on from the failed step never repeats a finished call"
        )
    return order


def changed_limits(limits: Limits, wanted: Mapping[str, Any]) -> Limits:
    """InvalidRequest for one that is unknown or can't be."""
    no_amount = "limits.cost_usd must be an amount in dollars, like '0.25'"
    if len(str(wanted.get("cost_usd", ""))) > _MOST_DIGITS:
        raise InvalidRequest(no_amount)
    try:
        return limits.changed(wanted)
    except ValueError as error:
        raise InvalidRequest(str(error)) from None
    except ArithmeticError:
        raise InvalidRequest(no_amount) from None


def _limits(body: Mapping[str, Any]) -> dict[str, Any]:
    """What is wrong with them for every task is said even if none matches."""
    wanted = object_in(body, "limits")
    changed_limits(Limits(), wanted)
    return wanted


def check_fields(body: Mapping[str, Any], known: tuple[str, ...]) -> None:
    for name in body:
        if name not in known:
            raise InvalidRequest(f"unknown field {name!r}; there are {', '.join(known)}")


def object_in(body: Mapping[str, Any], name: str) -> dict[str, Any]:
    value = body.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise InvalidRequest(f"{name} must be an object")
    return cast(dict[str, Any], value)


def flag_in(body: Mapping[str, Any], name: str) -> bool:
    value = body.get(name)
    if value is None or isinstance(value, bool):
        return bool(value)
    raise InvalidRequest(f"{name} must be true or false")


def note_in(body: Mapping[str, Any]) -> str | None:
    value = body.get("note")
    if value is None:
        return None
    if not isinstance(value, str) or len(value) > MOST_NOTE_CHARACTERS or "\0" in value:
        raise InvalidRequest(f"note must be text of at most {MOST_NOTE_CHARACTERS:,} characters, without NUL")
    return value.strip() or None


def _version(body: Mapping[str, Any]) -> str | None:
    value = body.get("version")
    if value is None:
        return None
    try:
        check_name("version", value)
    except ValueError as error:
        raise InvalidRequest(str(error)) from None
    return cast(str, value)
