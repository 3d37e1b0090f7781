"""What a task that can't come to its end can still say: a user never gets nothing where there is something."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast

import orjson

from roadworthy.domain.journal import EntryKind, JournalEntry, within

MOST_RESULTS = 10
"""Of the tools' results those that came last."""
LONGEST_RESULT = 300
"""Characters of each."""

AnswerSource = Literal["text", "tool_results", "fallback"]

_WORDS: Mapping[AnswerSource, str] = {
    "text": "the output is what it had written so far",
    "tool_results": "the output is what its tools had found so far",
    "fallback": "the output is the service's fallback answer",
}


@dataclass(frozen=True, slots=True)
class BestAnswer:
    """An answer for want of a better one, and where it comes from."""

    text: str
    source: AnswerSource

    @property
    def words(self) -> str:
        """For the task's reason."""
        return _WORDS[self.source]


def best_answer(text: str, found: Sequence[tuple[str, Any]], fallback_answer: str | None) -> BestAnswer | None:
    """What the model wrote, else what the tools found (`(tool, result)` of each call), else what the service says in
    such a case. None where there is nothing."""
    if text.strip():
        return BestAnswer(text, "text")
    if results := _results_shown(found):
        return BestAnswer(results, "tool_results")
    return None if fallback_answer is None else BestAnswer(fallback_answer, "fallback")


def found_by_tools(entries: Sequence[JournalEntry]) -> list[tuple[str, Any]]:
    """`(tool, result)` of each call that was done, in order. What an agent within a tool called was for that tool."""
    return [
        (entry.detail["tool"], entry.detail["result"])
        for entry in entries
        if entry.kind is EntryKind.TOOL and entry.detail["outcome"] == "done" and not within(entry).startswith("t")
    ]


def _results_shown(found: Sequence[tuple[str, Any]]) -> str:
    lines = [f"- {tool}: {text}" for tool, result in found if (text := _in_short(result))]
    return "\n".join(("So far:", *lines[-MOST_RESULTS:])) if lines else ""


def _in_short(result: Any) -> str:
    text = " ".join(_readable(result).split())
    return text if len(text) <= LONGEST_RESULT else f"{text[: LONGEST_RESULT - 1]}…"


def _readable(result: Any) -> str:
    match result:
        case None:
            return ""
        case str():
            return result
        case {"media_type": str(kind), "data": _}:
            return f"({kind})"
        case dict():
            fields = cast(dict[Any, Any], result)
            return ", ".join(f"{name}: {text}" for name, value in fields.items() if (text := _inner(value)))
        case list():
            return "; ".join(text for each in cast(list[Any], result) if (text := _readable(each)))
        case _:
            return orjson.dumps(result).decode()


def _inner(value: Any) -> str:
    return orjson.dumps(value).decode() if isinstance(value, dict | list) and value else _readable(value)
