"""Narrow values that came out of JSON."""

from __future__ import annotations

from typing import Any, cast

JsonObject = dict[str, Any]


def as_object(value: object) -> JsonObject | None:
    """The value if it is a JSON object, else None."""
    return cast(JsonObject, value) if isinstance(value, dict) else None


def as_list(value: object) -> list[Any] | None:
    """The value if it is a JSON array, else None."""
    return cast(list[Any], value) if isinstance(value, list) else None


def as_count(value: object) -> int | None:
    """The value if it is a whole number of 0 or more (and not a boolean), else None."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def as_number(value: object) -> float | None:
    """The value if it is a number (and not a boolean), else None."""
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
