"""What a user may ask about their tasks."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from dataclasses import replace
from typing import Any

import orjson

from roadworthy.core.insight.follow_task import FollowTask
from roadworthy.core.insight.page import Page, cursor_after, id_of_cursor
from roadworthy.core.insight.steps import steps_of
from roadworthy.domain.decision import result_key
from roadworthy.domain.errors import NotFound
from roadworthy.domain.ids import TaskId
from roadworthy.domain.journal import EntryKind
from roadworthy.domain.principal import Principal
from roadworthy.domain.task import LIFE_ENDS, Task
from roadworthy.ports.journal import Journal
from roadworthy.ports.task_store import TaskFilter, TaskStore


class Tasks:
    """Reads tasks; every method sees only those of the principal and raises StoreUnavailable."""

    def __init__(self, task_store: TaskStore, journal: Journal, follow: FollowTask) -> None:
        self._task_store = task_store
        self._journal = journal
        self._follow = follow

    async def find(self, principal: Principal, task_id: TaskId) -> Task:
        """NotFound if it isn't there or isn't the principal's."""
        return await self._task_store.find(principal, task_id)

    async def list(self, principal: Principal, filter: TaskFilter, cursor: str | None = None) -> Page[Task]:
        """IllegalCursor for a cursor that no page gave."""
        if cursor is not None:
            filter = replace(filter, before=id_of_cursor(cursor))
        tasks = await self._task_store.list(principal, filter)
        return Page(tasks, cursor_after(tasks[-1].id) if len(tasks) == filter.limit else None)

    async def steps(self, principal: Principal, task_id: TaskId) -> list[dict[str, Any]]:
        """What it did so far, step by step. NotFound if it isn't the principal's."""
        await self._task_store.find(principal, task_id)
        return steps_of(await self._journal.read(principal, task_id))

    async def result(self, principal: Principal, task_id: TaskId, call_id: str) -> bytes:
        """JSON: all that a tool call gave back, also what was too long for a model. NotFound where there is no such
        result of the principal's; `call_id` is the key of its entry."""
        await self._task_store.find(principal, task_id)
        shown: bytes | None = None
        for entry in await self._journal.read(principal, task_id):
            if entry.kind is EntryKind.WHOLE and result_key(entry) == call_id:
                return entry.payload
            if entry.kind is EntryKind.TOOL and entry.key == call_id:
                shown = orjson.dumps(entry.detail.get("result"))
        if shown is None:
            raise NotFound(f"the task has no result of a call {call_id!r}")
        return shown

    async def wait_for_end(self, principal: Principal, task_id: TaskId, seconds: float) -> Task | None:
        """The task once a life of it is over, or None if that takes more than `seconds` or than this process has."""
        try:
            async with asyncio.timeout(seconds):
                while (task := await self._task_store.find(principal, task_id)).status not in LIFE_ENDS:
                    # Only the end is of interest, so nothing before the last change need be told.
                    async with aclosing(self._follow(principal, task_id, task.changes[-1].number)) as stream:
                        async for _ in stream:
                            pass
                    if self._follow.followers.dismissed:
                        return None
                return task
        except TimeoutError:
            return None
