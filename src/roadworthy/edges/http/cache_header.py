"""`X-Roadworthy-Cache`: whether a cache answered for a task."""

from __future__ import annotations

from collections.abc import Collection

from roadworthy.domain.task import Task

NAME = "x-roadworthy-cache"


def cache_header(task: Task, cached_lanes: Collection[str]) -> dict[str, str]:
    """`exact`, `semantic` (where any of its calls was answered by that one) or `miss`.

    Nothing for a task that has called no model yet, and for one whose service has no cache.
    """
    usage = task.usage
    if usage.cached_calls:
        return {NAME: "semantic" if usage.semantic_calls else "exact"}
    return {NAME: "miss"} if usage.model_calls and task.lane in cached_lanes else {}
