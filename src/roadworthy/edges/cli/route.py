"""`roadworthy route …`: trains routers and judges them; the exit codes."""

from __future__ import annotations

import gzip
import sys
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, TextIO
from uuid import UUID

from roadworthy.core.model_gateway.routing.evidence import NOTHING, of_session
from roadworthy.core.model_gateway.routing.labelled_file import LabelledFile, read_labelled
from roadworthy.core.model_gateway.routing.report import Cost, report
from roadworthy.core.model_gateway.routing.trained import TrainedRouter
from roadworthy.core.model_gateway.routing.training import MOST, Example, Trained, train
from roadworthy.domain.errors import ExamplesUnusable, RouterNotLoadable
from roadworthy.domain.grade import Grade, GradedSession, GradedTask
from roadworthy.edges.cli.dead import typed_moment
from roadworthy.edges.cli.operator_client import OperatorClient
from roadworthy.edges.cli.operator_command import DONE, FAILED, UNDECIDED, UsageWrong, print_answer, printable
from roadworthy.edges.cli.route_screen import report_lines, report_shown, trained_lines, trained_shown

PATH = "/v1/operator/grades"
_PAGE = "200"


async def train_from_tasks(
    client: OperatorClient, agent: str | None, since: str | None, out: Path, keep: float, as_json: bool
) -> int:
    """Page by page: of each session only what a router sees is kept."""
    query = {"limit": _PAGE} | ({"agent": agent} if agent else {})
    if since is not None:
        query["since"] = typed_moment("since", since)
    examples: list[Example] = []
    sessions = 0
    cursor: str | None = ""
    while cursor is not None and len(examples) < MOST:
        page = await client.get(PATH, query | ({"cursor": cursor} if cursor else {}))
        for shown in page["sessions"]:
            sessions += 1
            session = session_of(shown)
            if (lines := of_session(session)) != NOTHING:
                examples.append(Example.of(session.text, lines))
        cursor = page["next_cursor"]
    source = f"{sessions:,} sessions with grades"
    return _decided(lambda: _trained(examples[:MOST], source, out, keep, as_json))


def train_from_file(path: Path, out: Path, keep: float, as_json: bool) -> int:
    def from_file() -> int:
        labelled = _read(path).examples
        examples = [Example.of(one.text, one.lines) for one in labelled[:MOST]]
        return _trained(examples, f"{len(labelled):,} requests of {path}", out, keep, as_json)

    return _decided(from_file)


def show_report(path: Path, keep: float, cost: Cost | None, router: Path | None, as_json: bool) -> int:
    def judged() -> int:
        given = None if router is None else TrainedRouter.load(router)
        found = report(_read(path), keep, cost, given)
        print_answer(report_shown(found), as_json, lambda _: report_lines(found))
        return DONE

    return _decided(judged)


async def label_task(client: OperatorClient, task_id: str, tier: str, note: str | None, as_json: bool) -> int:
    try:
        path = f"/v1/operator/tasks/{UUID(task_id)}/label"
    except ValueError:
        raise UsageWrong(f"{task_id!r} is no task's id") from None
    answer = await client.post(path, {"tier": tier} | ({"note": note} if note else {}))
    print_answer(answer, as_json, lambda shown: [f"{shown['task_id']}: {shown['tier']} would have been enough"])
    return DONE


def session_of(shown: Mapping[str, Any]) -> GradedSession:
    """A graded session out of the server's JSON."""
    tasks = tuple(GradedTask(task["tier"], tuple(_grade(grade) for grade in task["grades"])) for task in shown["tasks"])
    return GradedSession(UUID(shown["session_id"]), shown["agent"], shown["text"], tasks)


def _grade(shown: Mapping[str, Any]) -> Grade:
    at = datetime.fromisoformat(shown["at"]).timestamp()
    return Grade(
        UUID(shown["task_id"]), shown["source"], shown["grade"], shown["tier"], shown["note"], shown["given_by"], at
    )


def _trained(examples: list[Example], source: str, out: Path, keep: float, as_json: bool) -> int:
    """Nothing is written unless it was trained."""
    trained: Trained = train(examples, keep)
    trained.router.save(out)
    answer = trained_shown(trained, source, len(examples), keep, out)
    print_answer(answer, as_json, trained_lines)
    return DONE


def _read(path: Path) -> LabelledFile:
    try:
        with _opened(path) as lines:
            return read_labelled(lines)
    except ExamplesUnusable as error:
        raise ExamplesUnusable(f"{path}: {error.message}") from None


def _opened(path: Path) -> TextIO:
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="utf-8", newline="")
    return path.open(encoding="utf-8-sig", newline="")


def _decided(command: Callable[[], int]) -> int:
    """2 for what can't be learnt from, 1 for files that can't be read or written."""
    try:
        return command()
    except (ExamplesUnusable, RouterNotLoadable) as error:
        print(printable(error.message), file=sys.stderr)
        return UNDECIDED
    except OSError as error:
        print(printable(f"{error.filename}: {error.strerror}"), file=sys.stderr)
        return FAILED
