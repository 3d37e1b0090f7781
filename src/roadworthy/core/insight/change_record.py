"""A change of status as it is published: the same as what is rebuilt from the store later."""

from __future__ import annotations

from typing import Any

import orjson

from roadworthy.domain.event import EventRecord, Position, status_event
from roadworthy.domain.money import dollars
from roadworthy.domain.task import Task, Usage


def change_record(task: Task) -> EventRecord:
    """The record of a task's last change of status, from the task as the store returned it after that change."""
    journal, changes = task.journal_length, len(task.changes)
    return EventRecord(
        task_id=task.id,
        before=Position(journal, changes - 1),
        after=Position(journal, changes),
        events=(status_event(task.changes[-1], result_of(task)),),
    )


def result_of(task: Task) -> dict[str, Any]:
    """`{output, usage}` and, where the task did not succeed, `error`: as `done` and `GET /v1/tasks/{id}` show it."""
    result: dict[str, Any] = {
        "output": None if task.output is None else orjson.loads(task.output),
        "usage": usage_shown(task.usage),
    }
    if task.error is not None:
        result["error"] = orjson.loads(task.error)
    return result


def usage_shown(usage: Usage) -> dict[str, Any]:
    """Usage as clients see it; `cost_usd` and `saved_usd` are exact decimals in strings."""
    return {
        "cost_usd": dollars(usage.cost),
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "cache_read_tokens": usage.cache_read_tokens,
        "cache_write_tokens": usage.cache_write_tokens,
        "saved_usd": dollars(usage.saved),
        "model_calls": usage.model_calls,
        "cached_calls": usage.cached_calls,
        "tool_calls": usage.tool_calls,
        "steps": usage.steps,
    }
