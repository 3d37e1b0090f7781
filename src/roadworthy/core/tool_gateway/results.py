"""What becomes of a tool's result before the model sees it and the journal keeps it: results are data of strangers."""

from __future__ import annotations

import asyncio
import inspect
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, cast

import orjson
import structlog

from roadworthy.core.tool_gateway.gateway import ToolGateway
from roadworthy.domain.effect import Outcome
from roadworthy.domain.errors import NotKeepable
from roadworthy.domain.keepable import MOST_BYTES, check_keepable, foreign_words, is_too_deep
from roadworthy.domain.service import AgentService, ToolPolicy

if TYPE_CHECKING:
    from roadworthy.core.tool_gateway.tool_call import ToolCall, ToolReply

CHECK_SECONDS = 10.0
"""For the service's `check_result`, where it is async; a plain one holds the loop, and must be quick."""
_MOST_KEPT = MOST_BYTES - 1024 * 1024
"""Of one entry; the rest is for what else it says."""
_ROOM_FOR_SECRETS = 10_000
"""Bytes behind a cut in which a secret may end that begins before it."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class ShownResult:
    reply: ToolReply
    whole: bytes | None = None
    """JSON: all of a result that was cut, where that is not too large for the journal."""
    cut: int | None = None
    """How many bytes a result had before it was cut."""


async def shown_result(
    gateway: ToolGateway, service: AgentService, call: ToolCall, policy: ToolPolicy, reply: ToolReply
) -> ShownResult:
    """The reply without secrets, as the service's `check_result` wants it, and no longer than the tool's policy allows.

    NotKeepable for one that the journal can't keep, of a tool that may run again.
    """
    if len(reply.payload) > _MOST_KEPT and _is_for_model(call):
        return await _beginning(gateway, service, call, policy, reply)
    reply = await _checked(service, call, _redacted(gateway, reply))
    shown = _cut(call, policy, reply)
    try:
        check_keepable(f"the result of the tool {call.name!r}", shown.reply.payload)
    except NotKeepable as error:
        if policy.effect != "once":
            raise
        return ShownResult(done_but_not_kept(call, error))
    return shown


def done_but_not_kept(call: ToolCall, error: NotKeepable) -> ToolReply:
    """In the place of a result that can't be kept, of a call that must happen only once: it has happened."""
    return _words_in_place(call, Outcome.DONE, f"{call.name} was done, and must not be done again; {error.message}")


# Secrets


def _redacted(gateway: ToolGateway, reply: ToolReply) -> ToolReply:
    redactor = gateway.redactor
    payload = redactor.json(reply.payload)
    if payload is reply.payload:
        return reply
    return replace(reply, payload=payload, result=redactor.value(reply.result), content=redactor.value(reply.content))


# The service's own check


async def _checked(service: AgentService, call: ToolCall, reply: ToolReply) -> ToolReply:
    """The same object where the check leaves it as it is."""
    check = service.check_result
    if check is None or call.is_output or reply.outcome == Outcome.DENIED:
        return reply
    seen = _all_of(reply)
    before = orjson.dumps(seen)  # it may change the result in place
    try:
        async with asyncio.timeout(CHECK_SECONDS):
            given = check(call.name, seen)
            if inspect.isawaitable(given):
                given = await given
        if _json(given) == before:
            return reply
        outcome = Outcome(reply.outcome)
        if outcome is not Outcome.DONE and not isinstance(given, str):
            given = orjson.dumps(given).decode()
        return replace(call.answer(outcome, given), outcome=outcome)
    except asyncio.CancelledError:
        if (this := asyncio.current_task()) is None or this.cancelling():
            raise
        words = "it cancelled itself"
    except TimeoutError:
        words = f"it took longer than {CHECK_SECONDS:g} s"
    except BaseException as error:
        words = f"{type(error).__name__}: {foreign_words(error)}"
    # What the check says may quote the result: it is for the log, not for the model.
    log.warning("result_withheld", agent=service.name, version=service.version, tool=call.name, error=words)
    return _words_in_place(
        call, Outcome(reply.outcome), f"The result of {call.name} was withheld: it did not pass a check."
    )


# Its length


def _cut(call: ToolCall, policy: ToolPolicy, reply: ToolReply) -> ShownResult:
    most = min(policy.result_bytes, _MOST_KEPT // 2)
    if len(reply.payload) <= most or not _is_for_model(call):
        return ShownResult(reply)
    text = _text(reply)
    if len(text) <= most:
        return ShownResult(reply)  # the rest is not for the model, or no text
    whole = orjson.dumps(_all_of(reply))
    kept = whole if len(whole) <= _MOST_KEPT and not is_too_deep(whole) else None
    return ShownResult(_shortened(call, reply, text[:most], len(text), kept is not None), kept, len(text))


async def _beginning(
    gateway: ToolGateway, service: AgentService, call: ToolCall, policy: ToolPolicy, reply: ToolReply
) -> ShownResult:
    """Of a result that nobody can keep, and that would take seconds to look through: a check sees no more of it than
    the model will."""
    most = min(policy.result_bytes, _MOST_KEPT // 2)
    text = _text(reply)
    looked_through = text[: most + _ROOM_FOR_SECRETS].decode("utf-8", "ignore")
    shown = gateway.redactor.text(looked_through).encode()[:most]
    outcome = Outcome(reply.outcome)
    beginning = replace(call.answer(outcome, shown.decode("utf-8", "ignore")), outcome=outcome)
    checked = await _checked(service, call, beginning)
    if checked is not beginning:
        return replace(_cut(call, policy, checked), cut=len(text))
    return ShownResult(_shortened(call, reply, shown, len(text), is_kept=False), None, len(text))


def _shortened(call: ToolCall, reply: ToolReply, beginning: bytes, size: int, is_kept: bool) -> ToolReply:
    where = "people find all of it in the task's journal" if is_kept else "the rest was not kept"
    note = f"[cut: {len(beginning):,} of {size:,} bytes are shown, and {size - len(beginning):,} are missing; {where}]"
    text = f"{beginning.decode('utf-8', 'ignore')}\n{note}"
    return replace(call.answer(Outcome(reply.outcome), text), outcome=reply.outcome)


def _is_for_model(call: ToolCall) -> bool:
    """Code that gets a result can't do anything with the first half of it."""
    return call.asked_by_model and not call.is_output


def _text(reply: ToolReply) -> bytes:
    """What the model reads of it."""
    seen = _all_of(reply)
    if reply.has_media:
        seen = _without_media(seen)
    return seen.encode() if isinstance(seen, str) else orjson.dumps(seen)


def _without_media(value: Any) -> Any:
    match value:
        case {"kind": "binary", "media_type": str(kind), "data": str(data)}:
            return f"({kind}, {len(data) * 3 // 4:,} bytes)"
        case dict():
            return {name: _without_media(each) for name, each in cast(dict[Any, Any], value).items()}
        case list():
            return [_without_media(each) for each in cast(list[Any], value)]
        case _:
            return value


def _all_of(reply: ToolReply) -> Any:
    """What reaches the model, as JSON types."""
    return reply.result if reply.content is None else {"return_value": reply.result, "content": reply.content}


def _json(value: Any) -> bytes | None:
    try:
        return orjson.dumps(value)
    except TypeError:
        return None


def _words_in_place(call: ToolCall, outcome: Outcome, words: str) -> ToolReply:
    """A model reads them where it would have read the result; code, which can't, gets an error."""
    told = outcome
    if outcome in (Outcome.DONE, Outcome.FALLBACK) and not _is_for_model(call):
        told = Outcome.FAILED
    return replace(call.answer(told, words), outcome=outcome)
