"""The journal: what a task has done, in order; a new attempt replays it instead of doing it again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from roadworthy.domain.budget import ChargeSettlement
from roadworthy.domain.task import Fence, Usage


class EntryKind(StrEnum):
    INPUT = "input"
    """Entry 0: what the task started from."""
    MODEL = "model"
    """A model's reply."""
    STARTED = "started"
    """A `once` tool call is about to happen; without a TOOL entry of the same call its effect is unknown."""
    HEARD = "heard"
    """What a started call said instead of a result, where its `reconcile` function is asked later."""
    TOOL = "tool"
    """A tool's result, or what the model was told instead."""
    ASKED = "asked"
    """A tool call waits for a person (`domain/decision.py`); its TOOL entry follows the decision."""
    WHOLE = "whole"
    """A tool's result as it came, where it was too large for the model."""
    OFFERED = "offered"
    """The tools that a server of the agent's offers from a step on."""


def key_in(generation: int, name: str) -> str:
    """The key of an entry: its name (`input`, `m3`, and of one tool call `t3:call_abc` its result, `s3:call_abc` its
    start, `h3:call_abc` what was heard of it then, `w3:call_abc` the question to people, `r3:call_abc` the whole of a
    result that was cut; what is begun or asked once more takes the next letter, `p` and `q`, or `x` and `y`; `o3:0`
    what the agent's first server of tools offers from step 3 on), and before it the number of a generation above 0
    (`1/m3`). No name begins with a digit."""
    return f"{generation}/{name}" if generation else name


def generation_of(key: str) -> int:
    return int(key.partition("/")[0]) if key[:1].isdigit() else 0


def within(entry: JournalEntry) -> str:
    """The call within which an agent made it: `t3:call_abc/a1`; empty for the task's own agent."""
    return entry.detail.get("within", "")


def text_of(detail: Mapping[str, Any]) -> str:
    """What the model said to the reader in a model entry."""
    return "".join(text for kind, text in detail.get("pieces", ()) if kind == "text")


@dataclass(frozen=True, slots=True)
class EntryWrite:
    """An entry on its way into the journal."""

    fence: Fence
    key: str
    """Unique in its task, as `key_in` makes it."""
    kind: EntryKind
    payload: bytes
    """What the framework needs to replay it."""
    detail: bytes
    """JSON object for people and event streams; its fields are listed in `domain/event.py`."""
    usage: Usage | None = None
    """What the task has used with this entry, kept on the task: whoever ends it need not read the journal."""
    charge: ChargeSettlement | None = None
    """Settled in the same transaction, whatever becomes of the entry: the call was made and is paid for."""


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """A committed entry."""

    sequence: int
    """Rising from 0 within the task; a gap means nothing."""
    key: str
    kind: EntryKind
    attempt: int
    payload: bytes
    detail: dict[str, Any]
    at: float
    """Seconds since 1970, by the store's clock."""

    @property
    def generation(self) -> int:
        return generation_of(self.key)

    @property
    def name(self) -> str:
        """Unique in its generation."""
        return self.key.partition("/")[2] if self.key[:1].isdigit() else self.key


def counted(usage: Usage, kind: EntryKind, detail: Mapping[str, Any]) -> Usage:
    """The usage with what one more entry tells of."""
    match kind:
        case EntryKind.MODEL:
            tokens: Mapping[str, int] = detail.get("usage", {})
            return usage + Usage(
                cost=detail.get("cost", 0),
                input_tokens=tokens.get("input_tokens", 0),
                output_tokens=tokens.get("output_tokens", 0),
                cache_read_tokens=tokens.get("cache_read_tokens", 0),
                model_calls=1,
                steps=1,
                cache_write_tokens=tokens.get("cache_write_tokens", 0),
                cached_calls=1 if detail.get("cache") else 0,
                saved=detail.get("saved", 0),
                semantic_calls=1 if detail.get("cache") == "semantic" else 0,
            )
        case EntryKind.TOOL:
            return replace(usage, tool_calls=usage.tool_calls + 1)
        case (
            EntryKind.INPUT
            | EntryKind.STARTED
            | EntryKind.HEARD
            | EntryKind.ASKED
            | EntryKind.WHOLE
            | EntryKind.OFFERED
        ):
            return usage


def usage_of(entries: Iterable[JournalEntry]) -> Usage:
    """What the calls of these entries have used."""
    usage = Usage()
    for entry in entries:
        usage = counted(usage, entry.kind, entry.detail)
    return usage


@dataclass(frozen=True, slots=True)
class Appended:
    """The entry is committed. Writing it again after a lost acknowledgement gives the same answer."""

    sequence: int


@dataclass(frozen=True, slots=True)
class Refused:
    """The entry was not written: a newer attempt owns the task, or the task is not running."""


@dataclass(frozen=True, slots=True)
class NotStorable:
    """The entry (or the new task) itself can't be stored, now or later; its neighbours are not affected."""

    message: str
