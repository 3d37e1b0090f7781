"""Records as bytes: a JSON array by position, small and readable in `redis-cli`.

    [before.journal, before.changes, after.journal, after.changes, text_end, [[number, kind, data], …]]

The task's id is not in it: the channel and the key of the stream say it. Fields may be added at the end: during a
deploy older processes read records of newer ones.
"""

from __future__ import annotations

import json
from typing import Any

import orjson

from roadworthy.domain.event import Event, EventKind, EventRecord, Position
from roadworthy.domain.ids import TaskId

_KINDS = {kind.value: kind for kind in EventKind}
_SLOW = b" "
"""In front of what orjson can't write: integers above 64 bits and lone surrogates, which tools and models return."""


def encode(record: EventRecord) -> bytes:
    fields = [
        record.before.journal,
        record.before.changes,
        record.after.journal,
        record.after.changes,
        record.text_end,
        [(event.number, event.kind.value, event.data) for event in record.events],
    ]
    try:
        return orjson.dumps(fields, default=dict)
    except TypeError:
        return _SLOW + json.dumps(fields, default=dict).encode()


def decode(task_id: TaskId, encoded: bytes) -> EventRecord:
    """ValueError for what is no record, or has events of a kind that this release does not know."""
    fields: Any = json.loads(encoded) if encoded.startswith(_SLOW) else orjson.loads(encoded)
    try:
        before_journal, before_changes, after_journal, after_changes, text_end, events = fields[:6]
        return EventRecord(
            task_id,
            Position(before_journal, before_changes),
            Position(after_journal, after_changes),
            tuple([Event(number, _KINDS[kind], data) for number, kind, data in events]),
            text_end,
        )
    except (TypeError, KeyError) as error:
        raise ValueError(f"not an event record: {encoded[:100]!r}") from error
