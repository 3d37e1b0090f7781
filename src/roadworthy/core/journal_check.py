"""Holds the code that replays a journal to what the journal says."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import orjson

from roadworthy.domain.decision import result_key
from roadworthy.domain.errors import JournalMismatch
from roadworthy.domain.journal import EntryKind, JournalEntry, within
from roadworthy.domain.task import Task

_TURNS_UNTIL_SIBLINGS_STARTED = 8
"""Of the event loop: how long frameworks take to start calls that belong together."""


class JournalCheck:
    """Of one attempt: `version` is the one whose code replays, `task.version` the one that the task belongs to."""

    def __init__(self, task: Task, version: str) -> None:
        self._task = task
        self._version = version
        self._begun_by = task.version
        self._is_other_code = False
        self._left: dict[str, JournalEntry] = {}

    def begin(self, entries: Sequence[JournalEntry], framework: str, code: str) -> Mapping[str, Any]:
        """What entry 0 says of the task's start. JournalMismatch if an agent of another framework wrote it."""
        facts = orjson.loads(entries[0].payload)
        self._begun_by = facts.get("version", self._begun_by)
        # The digest sees only a part of the code: another version may differ in what the agent calls.
        self._is_other_code = facts["code"] != code or self._begun_by != self._version
        self._left = _to_come_to(entries)
        if facts["framework"] != framework:
            began = facts["framework"]
            raise self._mismatch(f"it was begun by a {began} agent, and version {self._version!r} is a {framework} one")
        return facts

    def came_to(self, entry: JournalEntry) -> None:
        self._left.pop(entry.name, None)

    def same(self, entry: JournalEntry, name: str, expected: str) -> None:
        """JournalMismatch unless the entry was written by code that did the same up to here."""
        if entry.detail.get(name) != expected:
            raise self._mismatch(
                f"the journal's entry {entry.key} was made by other code than version {self._version!r} has now"
            )

    async def nothing_left_out(self) -> None:
        """JournalMismatch if other code than the one that began does something new before all else was replayed.

        Code that began the task can be trusted to come to the rest: calls at the same time come in any order.
        """
        if not self._is_other_code:
            return
        for _ in range(_TURNS_UNTIL_SIBLINGS_STARTED):
            if not self._left:
                return
            await asyncio.sleep(0)
        raise self._mismatch(f"the code of version {self._version!r} {_left_out(self._left)}")

    def _mismatch(self, what: str) -> JournalMismatch:
        return JournalMismatch(f"{what}; {self._way_out()}")

    def _way_out(self) -> str:
        task = self._task
        if self._version != task.version:
            return f"start a worker of version {task.version!r} and the task goes on there by itself, or cancel it"
        if self._begun_by != task.version:
            move = f"roadworthy queue move {task.lane} --to {self._begun_by} --parked"
            return f"move it back to the version that began it ({move}), or cancel it"
        return (
            "give changed code a new version; start a worker with the old code and the task goes on there by itself, "
            "or cancel it"
        )


def _left_out(left: Mapping[str, JournalEntry]) -> str:
    """What weighs most of it: that something was done, then that it was begun, then that people were asked."""
    weight = {EntryKind.STARTED: 1, EntryKind.ASKED: 2}
    name = min(left, key=lambda name: (weight.get(left[name].kind, 0), name))
    entry = left[name]
    if entry.kind not in weight:
        return f"leaves out what the journal says was done ({name})"
    call = f"the call of {entry.detail.get('tool')!r} ({result_key(entry)})"
    if entry.kind is EntryKind.STARTED:
        return f"leaves out {call} that the journal says was started"
    return f"does not come to {call} that people were asked about; it was not made yet"


def _result_of(begun: JournalEntry) -> str:
    """The name of the entry that ends a call that was started or asked about: `t3:x` for `s3:x`, `t1:y/a1/t3:x` for
    `t1:y/a1/w3:x`."""
    own = begun.name.removeprefix(place := within(begun)).removeprefix("/")
    return f"{place}/t{own[1:]}" if place else f"t{own[1:]}"


def _calls_around(name: str) -> Iterator[str]:
    """What may be the calls within which it was done: of `t1:y/a1/m2` these are `t1:y` and `t1:y/a1`."""
    parts = name.split("/")
    return ("/".join(parts[:end]) for end in range(1, len(parts)))


def _to_come_to(entries: Sequence[JournalEntry]) -> dict[str, JournalEntry]:
    """By name, the entries that a replay looks up: all results, and calls that have none but were started, or asked
    about."""
    results = {entry.name: entry for entry in entries if entry.kind in (EntryKind.MODEL, EntryKind.TOOL)}
    begun = [entry for entry in entries if entry.kind in (EntryKind.STARTED, EntryKind.ASKED)]
    open_calls = {entry.name: entry for entry in begun if _result_of(entry) not in results}
    # What the agents of a tool have done is not asked again once the tool has its result.
    return {
        name: entry
        for name, entry in (results | open_calls).items()
        if not any(call in results for call in _calls_around(name))
    }
