"""`roadworthy dead …`: what each command asks the server, and its exit code."""

from __future__ import annotations

import re
import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from roadworthy.edges.cli import operator_command
from roadworthy.edges.cli.chat_client import Refused
from roadworthy.edges.cli.dead_screen import (
    batch_lines,
    done_lines,
    effect_lines,
    letter_lines,
    list_lines,
    summary_line,
)
from roadworthy.edges.cli.operator_client import OperatorClient
from roadworthy.edges.cli.operator_command import (
    DONE,
    FAILED,
    UsageWrong,
    print_answer,
    print_json,
    print_lines,
    printable,
    tell_refusal,
)

PATH = "/v1/operator/dead"
_BATCH = 50
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


@dataclass(frozen=True, slots=True)
class Chosen:
    """Which dead tasks are meant, as it was typed."""

    agent: str | None = None
    version: str | None = None
    code: str | None = None
    tenant: str | None = None
    user: str | None = None
    since: str | None = None
    until: str | None = None
    everything: bool = False

    def filter(self) -> dict[str, str]:
        """As the server wants it."""
        given = {field.name: getattr(self, field.name) for field in fields(self) if field.name != "everything"}
        given |= {name: typed_moment(name, given[name]) for name in ("since", "until") if given[name] is not None}
        return {name: value for name, value in given.items() if value is not None}

    def body(self, dry_run: bool) -> dict[str, Any]:
        """The part of a batch's request that says which."""
        filter = self.filter()
        if not (filter or self.everything):
            raise UsageWrong("name the tasks: IDs, a filter like --code or --since, or --all for every dead task")
        if filter and self.everything:
            raise UsageWrong("--all means every dead task: it goes with no filter")
        return {"filter": filter, "all": self.everything, "limit": _BATCH, "dry_run": dry_run}

    def check_unused(self, dry_run: bool) -> None:
        """UsageWrong: with IDs nothing else may say which."""
        if self != Chosen():
            raise UsageWrong("give IDs or a filter, not both")
        if dry_run:
            raise UsageWrong("--dry-run goes with a filter; `roadworthy dead show ID` tells all about one task")


@dataclass(frozen=True, slots=True)
class Ordered:
    """How they shall go on, as it was typed."""

    input: str | None = None
    input_file: Path | None = None
    limits: Sequence[str] = ()
    version: str | None = None
    from_start: bool = False
    repeat_effects: bool = False
    note: str | None = None

    def body(self, *, many: bool) -> dict[str, Any]:
        text = self._input()
        if many and text is not None:
            raise UsageWrong("an edited input belongs to one task: name it by its ID")
        if self.repeat_effects and not self.from_start:
            raise UsageWrong("--repeat-effects goes with --from-start: going on from the failed step repeats nothing")
        given = {
            "input": text,
            "limits": dict(map(_limit, self.limits)) or None,
            "version": self.version,
            "from_start": self.from_start or None,
            "repeat_effects": self.repeat_effects or None,
            "note": self.note,
        }
        return {name: value for name, value in given.items() if value is not None}

    def _input(self) -> str | None:
        if self.input_file is None:
            return self.input
        if self.input is not None:
            raise UsageWrong("give --input or --input-file, not both")
        try:
            return sys.stdin.read() if str(self.input_file) == "-" else self.input_file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise UsageWrong(f"the input can't be read: {error}") from None


def run(url: str, command: Callable[[OperatorClient], Awaitable[int]], as_json: bool) -> int:
    """Carry the command out against the server; its exit code."""
    return operator_command.run(url, command, as_json, _tell_refusal)


async def show_list(
    client: OperatorClient, chosen: Chosen, limit: int, cursor: str | None, as_json: bool, url: str | None = None
) -> int:
    query = {**chosen.filter(), "limit": str(limit)} | ({"cursor": cursor} if cursor else {})
    page = await client.get(PATH, query)
    print_answer(page, as_json, lambda page: list_lines(page, url))
    return DONE


async def show_one(client: OperatorClient, task_id: str, as_json: bool, url: str | None = None) -> int:
    print_answer(await client.get(f"{PATH}/{_id(task_id)}"), as_json, lambda letter: letter_lines(letter, url))
    return DONE


async def resume_these(
    client: OperatorClient, ids: Sequence[str], chosen: Chosen, order: Ordered, dry_run: bool, as_json: bool
) -> int:
    chosen.check_unused(dry_run)
    return await _each(client, ids, "resume", order.body(many=len(ids) > 1), as_json)


async def discard_these(
    client: OperatorClient, ids: Sequence[str], chosen: Chosen, note: str | None, dry_run: bool, as_json: bool
) -> int:
    chosen.check_unused(dry_run)
    return await _each(client, ids, "discard", {"note": note} if note else {}, as_json)


async def resume_many(client: OperatorClient, chosen: Chosen, order: Ordered, dry_run: bool, as_json: bool) -> int:
    return await _in_batches(client, "resume", chosen.body(dry_run) | order.body(many=True), as_json)


async def discard_many(client: OperatorClient, chosen: Chosen, note: str | None, dry_run: bool, as_json: bool) -> int:
    return await _in_batches(client, "discard", chosen.body(dry_run) | ({"note": note} if note else {}), as_json)


async def _each(client: OperatorClient, ids: Sequence[str], act: str, body: dict[str, Any], as_json: bool) -> int:
    """One after the other; 1 if one was refused."""
    answers: list[dict[str, Any]] = []
    refused = False
    for task_id in dict.fromkeys(map(_id, ids)):
        try:
            answers.append(await client.post(f"{PATH}/{task_id}/{act}", body))
        except Refused as error:
            refused = True
            answers.append({"id": task_id, "problem": {"code": error.code, "detail": str(error)}})
            if not as_json:
                print(f"{task_id}:", file=sys.stderr)
                _tell_refusal(error)
        else:
            if not as_json:
                print_lines(done_lines(answers[-1]))
    if as_json:
        print_json({"tasks": answers})
    return FAILED if refused else DONE


async def _in_batches(client: OperatorClient, act: str, body: dict[str, Any], as_json: bool) -> int:
    """Until there are no more; 1 if one was refused or is in doubt."""
    found = await client.get(PATH, {**body["filter"], "limit": "1"})
    total: int = found["counts"]["total"]
    tasks: list[dict[str, Any]] = []
    batch: dict[str, Any] = {"next_cursor": None, "interrupted": False}
    while True:
        batch = await client.post(f"{PATH}/{act}", body | {"cursor": batch["next_cursor"]})
        tasks += batch["tasks"]
        if not as_json:
            print_lines(batch_lines(batch))
            print(f"{len(tasks)} of {max(total, len(tasks))}", file=sys.stderr)
        if batch["interrupted"] or batch["next_cursor"] is None:
            break
    if as_json:
        print_json({"tasks": tasks, "interrupted": batch["interrupted"], "dry_run": body["dry_run"]})
    else:
        print(summary_line(tasks, batch["interrupted"]))
    done = not batch["interrupted"] and all("problem" not in task for task in tasks)
    return DONE if done else FAILED


def _tell_refusal(error: Refused) -> None:
    tell_refusal(error)
    for line in effect_lines(error.problem.get("effects", ())):
        print(printable(line), file=sys.stderr)


def _id(text: str) -> str:
    try:
        return str(UUID(text))
    except ValueError:
        raise UsageWrong(f"{text!r} is no task's id; `roadworthy dead list` shows them") from None


def _limit(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not equals:
        raise UsageWrong(f"--limit {text!r}: write NAME=VALUE, like cost_usd=1 or steps=40")
    if name == "cost_usd":
        return name, value
    try:
        return name, int(value) if value.lstrip("-").isdigit() else float(value)
    except ValueError:
        raise UsageWrong(f"--limit {text!r}: {value!r} is no number") from None


def typed_moment(name: str, text: str) -> str:
    """RFC 3339, of a moment or of so long ago."""
    if ago := re.fullmatch(r"(\d{1,9})([smhd])", text):
        return (datetime.now(UTC) - timedelta(**{_UNITS[ago[2]]: int(ago[1])})).isoformat()
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise UsageWrong(f"--{name} {text!r}: write 30m, 2h, 7d or a moment like 2026-05-04T12:00:00Z") from None
    return moment.astimezone().isoformat()
