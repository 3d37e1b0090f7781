"""Gathers the evidence once everything has come to its end."""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from acceptance.deployment import Deployment
from acceptance.http_api import TaskStream
from faults.evidence import Change, Entry, Evidence, Followed, ModelCalled, StoredTask
from faults.load import Load
from roadworthy.domain.event import Place

_TASKS = "select id::text, session_id::text, status, reason, output, error, attempt, journal_length, usage, changes \
from tasks"
_ENTRIES = "select task_id::text, sequence, key, attempt, extract(epoch from at)::float8, kind, detail \
from journal_entries order by task_id, sequence"
_TURNS = "select session_id::text, task_id::text from turns order by session_id, position"


async def collect(deployment: Deployment, load: Load, woken: Sequence[tuple[int, float]]) -> Evidence:
    entries: dict[str, list[Entry]] = defaultdict(list)
    for task_id, *entry in await deployment.fetch(_ENTRIES):
        entries[task_id].append(_entry(*entry))
    turns: dict[str, list[str]] = defaultdict(list)
    for session_id, task_id in await deployment.fetch(_TURNS):
        turns[session_id].append(task_id)
    stored = {row[0]: _task(*row, entries[row[0]]) for row in await deployment.fetch(_TASKS)}
    requests = deployment.provider.requests
    return Evidence(
        accepted=load.accepted,
        stored=stored,
        turns=turns,
        model_calls=[ModelCalled(request.message, request.turn, request.at) for request in requests],
        tool_calls=deployment.tools.calls,
        followed=await asyncio.gather(*(_followed(deployment, stream) for stream in load.streams.values())),
        woken=woken,
    )


async def _followed(deployment: Deployment, stream: TaskStream) -> Followed:
    async with TaskStream(deployment.apis, stream.task_id) as late:
        await late.until_done()
    return Followed(stream.task_id, stream.seen, late.seen)


def _task(
    id_: str,
    session_id: str,
    status: str,
    reason: str | None,
    output: bytes | None,
    error: bytes | None,
    attempt: int,
    journal_length: int,
    usage: str | None,
    changes: str,
    entries: list[Entry],
) -> StoredTask:
    return StoredTask(
        id=id_,
        session_id=session_id,
        status=status,
        reason=reason,
        output=json.loads(output) if output else None,
        error_code=json.loads(error)["code"] if error else None,
        attempt=attempt,
        journal_length=journal_length,
        model_calls=json.loads(usage)["model_calls"] if usage else 0,
        changes=[_change(*change) for change in json.loads(changes)],
        entries=entries,
    )


def _change(number: int, status: str, reason: str | None, at: float) -> Change:
    place = Place.of(number)
    return Change(place.journal, place.attempt, status, reason, at)


def _entry(sequence: int, key: str, attempt: int, at: float, kind: str, detail: bytes) -> Entry:
    shown: dict[str, Any] = json.loads(detail)
    return Entry(sequence, key, attempt, at, str(shown["result"]) if kind == "tool" else None)
