"""Rows as values of the domain. Columns are read by position: a name costs a look-up in every row."""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache
from typing import Any

import orjson

from roadworthy.domain.budget import ChargeState
from roadworthy.domain.limits import Limits
from roadworthy.domain.principal import Principal
from roadworthy.domain.task import StatusChange, Task, TaskStatus, Usage
from roadworthy.ports.budget_accounts import Charge

Row = Any
"""An asyncpg.Record: a sequence of columns."""

_STATUS = {str(status): status for status in TaskStatus}
_NOTHING_USED = Usage()


@lru_cache(4096)
def limits(text: str) -> Limits:
    """Cached, because checking them costs more than the rest of the row and most tasks have the same."""
    return Limits(**orjson.loads(text))


@lru_cache(4096)
def limits_text(value: Limits) -> str:
    return json_text(value)


@lru_cache(4096)
def principal(tenant: str, owner: str) -> Principal:
    return Principal(tenant, owner)


def changes(text: str) -> tuple[StatusChange, ...]:
    return tuple(StatusChange(number, _STATUS[status], reason, at) for number, status, reason, at in orjson.loads(text))


def seconds(moment: datetime | None) -> float | None:
    return None if moment is None else moment.timestamp()


def task(row: Row) -> Task:
    """From the columns `{task}`, with which the row begins."""
    return Task(
        id=row[0],
        principal=principal(row[1], row[2]),
        session_id=row[3],
        agent=row[4],
        version=row[5],
        input=row[6],
        limits=limits(row[7]),
        metadata=row[8],
        priority=row[9],
        status=_STATUS[row[10]],
        reason=row[11],
        output=row[12],
        error=row[13],
        usage=Usage.of(orjson.loads(row[14])) if row[14] else _NOTHING_USED,
        attempt=row[15],
        failures=row[16],
        journal_length=row[17],
        changes=changes(row[18]),
        running_seconds=row[19],
        cancel_requested=row[20],
        created_at=row[21].timestamp(),
        started_at=seconds(row[22]),
        ended_at=seconds(row[23]),
        generation=row[24],
        tier=row[25],
    )


def charge(row: Row) -> Charge:
    """From the columns `{charge}`."""
    return Charge(
        id=row[0],
        task_id=row[1],
        key=row[2],
        principal=principal(row[3], row[4]),
        agent=row[5],
        version=row[6],
        model=row[7],
        state=ChargeState(row[8]),
        estimate=row[9],
        cost=row[10],
        attempt=row[11],
        at=row[12].timestamp(),
    )


def json_text(value: object) -> str:
    """A value for a jsonb column."""
    return orjson.dumps(value).decode()


def storable(text: str | None) -> str | None:
    """Text without what PostgreSQL can't keep: NUL and halves of surrogate pairs."""
    if text is None:
        return None
    return text.replace("\0", "").encode("utf-8", "replace").decode()
