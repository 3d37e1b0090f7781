"""The reference of the HTTP API is the one in the code."""

from __future__ import annotations

import re
from dataclasses import fields
from typing import Any, cast, get_args

import pytest
from starlette.routing import Route

from roadworthy import Limits, ToolPolicy
from roadworthy.core.insight.page import MOST_ON_A_PAGE
from roadworthy.core.intake.submission import (
    MOST_INPUT_BYTES,
    MOST_KEY_CHARACTERS,
    MOST_METADATA_BYTES,
    read_submission,
)
from roadworthy.domain.decision import FITTING, Verdict
from roadworthy.domain.errors import InvalidRequest, RoadworthyError
from roadworthy.domain.event import EventKind
from roadworthy.domain.service import Effect
from roadworthy.domain.task import OnBusy, TaskStatus
from roadworthy.edges.http.budget_routes import BudgetRoutes
from roadworthy.edges.http.decision_routes import DecisionRoutes
from roadworthy.edges.http.dependencies import HttpDependencies
from roadworthy.edges.http.grade_routes import GradeRoutes
from roadworthy.edges.http.problem import status_of
from roadworthy.edges.http.query import MOST_WAIT_SECONDS
from roadworthy.edges.http.session_routes import SessionRoutes
from roadworthy.edges.http.task_routes import TaskRoutes
from roadworthy.edges.http.usage_routes import UsageRoutes

from .documents import quoted, table_after, text_of

PAGE = text_of("docs/api.md")


def first_column(words: str) -> list[str]:
    return [quoted(row[0])[0] for row in table_after(PAGE, words)]


@pytest.mark.parametrize(("kind", "words"), [(Limits, "`limits` | default"), (ToolPolicy, "`ToolPolicy` | default")])
def test_defaults(kind: Any, words: str):
    shown = [(quoted(name)[0], default) for name, default, _ in table_after(PAGE, words)]
    assert shown == [
        (field.name, f'"{field.default}"' if isinstance(field.default, str) else str(field.default))
        for field in fields(kind)
    ]


def test_fields_of_a_task():
    with pytest.raises(InvalidRequest) as refused:
        read_submission({"nonsense": 1})
    assert refused.value.message.partition("there are ")[2].split(", ") == first_column("field | type")


def test_events_and_statuses():
    assert first_column("event | data") == [kind.value for kind in EventKind]
    assert sorted(first_column("`status` | the task")) == sorted(TaskStatus)


def test_decisions():
    given = {quoted(row[0])[0]: quoted(row[2]) for row in table_after(PAGE, "`about` | asks")}
    assert given == {about: sorted(verdicts) for about, verdicts in FITTING.items()}
    fields = {row[0]: row[2] for row in table_after(PAGE, "field | type | |\n|---|---|---|\n| `call_id`")}
    assert quoted(fields["`decision`"]) == list(Verdict)


def test_every_path_of_decisions():
    class Anything:
        def __getattr__(self, name: str) -> Any:
            return None

    paths = {cast(Route, route).path for route in DecisionRoutes(cast(HttpDependencies, Anything())).routes()}
    assert set(re.findall(r"`(?:GET|POST) (/v1/\S*decisions\S*?)`", PAGE)) == paths


def test_choices_and_bounds():
    (on_busy,) = [row[2] for row in table_after(PAGE, "field | type") if row[0] == "`on_busy`"]
    assert quoted(on_busy) == [choice.value for choice in OnBusy]
    (effect,) = [row[2] for row in table_after(PAGE, "`ToolPolicy` | default") if row[0] == "`effect`"]
    assert set(quoted(effect)) == set(get_args(Effect))
    for words in (
        f"up to {MOST_INPUT_BYTES // 1024} KiB",
        f"up to {MOST_METADATA_BYTES // 1024} KiB",
        f"up to {MOST_KEY_CHARACTERS} characters",
        f"at most {MOST_WAIT_SECONDS:g}",
        f"1 to {MOST_ON_A_PAGE}",
    ):
        assert words in PAGE


def test_every_path():
    class Anything:
        def __getattr__(self, name: str) -> Any:
            return None

    anything = cast(HttpDependencies, Anything())
    kinds = (TaskRoutes, SessionRoutes, GradeRoutes, DecisionRoutes)
    routes = [route for kind in kinds for route in kind(anything).routes()]
    paths = {cast(Route, route).path.replace(":path}", "}") for route in routes}
    paths = {path for path in paths if "/operator/" not in path}
    assert set(re.findall(r"`(?:GET|POST|DELETE) (/v1/(?:tasks|sessions)[^`]*)`", PAGE)) == paths


def test_every_path_of_budgets_and_usage():
    class Anything:
        def __getattr__(self, name: str) -> Any:
            return None

    anything = cast(HttpDependencies, Anything())
    routes = [*BudgetRoutes(anything).routes(), *UsageRoutes(anything).routes()]
    paths = {cast(Route, route).path for route in routes}
    table = text_of("docs/budgets.md")
    assert set(re.findall(r"^\| `(?:GET|POST) (/v1/[^`]*)`", table, re.MULTILINE)) == paths


def test_codes_of_failures():
    def kinds(of: type[RoadworthyError]) -> dict[str, int]:
        own = {of.code: status} if (status := status_of(of.__new__(of))) else {}
        return own | {code: s for kind in of.__subclasses__() for code, s in kinds(kind).items()}

    known = kinds(RoadworthyError) | {"method_not_allowed": 405}
    for status, codes in table_after(PAGE, "status | `code`"):
        for code in quoted(codes):
            if code not in ("retry-after", "Idempotency-Key"):
                assert (code, known[code]) == (code, int(status))


def test_every_path_of_grades():
    class Anything:
        def __getattr__(self, name: str) -> Any:
            return None

    paths = {cast(Route, route).path for route in GradeRoutes(cast(HttpDependencies, Anything())).routes()}
    assert set(re.findall(r"(?:GET|POST) (/v1/\S*(?:feedback|label|grades))\b", PAGE)) == paths
