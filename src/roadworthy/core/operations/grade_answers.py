"""Takes in what users and operators say of answers, as far as that needs nobody else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from roadworthy.core.operations.resume_order import check_fields, note_in
from roadworthy.domain.errors import InvalidRequest
from roadworthy.domain.grade import MARKS, GradeSource, Mark, NewGrade
from roadworthy.domain.route import TIERS, Tier, is_tier


def read_feedback(body: Mapping[str, Any]) -> NewGrade:
    """A user's thumb in a decoded JSON object; InvalidRequest, naming the field."""
    check_fields(body, ("grade", "note"))
    if (mark := _mark(body)) is None:
        raise InvalidRequest(f"grade is missing; it is one of {', '.join(MARKS)}")
    return NewGrade("user", mark, note=note_in(body))


def read_label(body: Mapping[str, Any]) -> NewGrade:
    """What an operator or an evaluation says; InvalidRequest, naming the field."""
    check_fields(body, ("tier", "grade", "note", "source"))
    mark, tier = _mark(body), _tier(body)
    if mark is None and tier is None:
        raise InvalidRequest("a label says tier (the cheapest one that would have been enough), grade, or both")
    return NewGrade(_source(body), mark, tier, note_in(body))


def _mark(body: Mapping[str, Any]) -> Mark | None:
    value = body.get("grade")
    if value not in (None, *MARKS):
        raise InvalidRequest(f"grade must be one of {', '.join(MARKS)}, not {value!r}")
    return value


def _tier(body: Mapping[str, Any]) -> Tier | None:
    value = body.get("tier")
    if value is None or is_tier(value):
        return value
    raise InvalidRequest(f"tier must be one of {', '.join(TIERS)}, not {value!r}")


def _source(body: Mapping[str, Any]) -> GradeSource:
    value = body.get("source", "operator")
    if value not in ("operator", "eval"):
        raise InvalidRequest(f"source must be operator or eval, not {value!r}")
    return value
