"""`roadworthy decide`: what it asks the server, and its exit code."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from math import ceil
from typing import Any
from uuid import UUID

import orjson

from roadworthy.domain.decision import Verdict
from roadworthy.edges.cli.chat_client import Refused
from roadworthy.edges.cli.decide_commands import LOCAL, given
from roadworthy.edges.cli.decide_screen import decided_lines, list_lines, task_lines
from roadworthy.edges.cli.operator_client import OperatorClient
from roadworthy.edges.cli.operator_command import (
    DONE,
    UsageWrong,
    print_answer,
    print_json,
    print_lines,
    printable,
    run,
    tell_refusal,
)

OPERATOR_PATH = "/v1/operator/decisions"
_NO_OPERATOR = 403


@dataclass(frozen=True, slots=True)
class Asked:
    """What was typed."""

    task: str | None = None
    call: str | None = None
    decision: str | None = None
    value: str | None = None
    note: str | None = None

    def read(self) -> Asked:
        """With each word in its place: the call's id may be left out. UsageWrong for what can't be meant."""
        task, call, decision = self.task, self.call, self.decision
        if decision is None and call in Verdict.__members__.values():
            call, decision = None, call
        if task is not None:
            task = _id(task)
        if decision is None:
            if call is not None:
                raise UsageWrong(f"say what shall be with {call}: {', '.join(Verdict)}")
            if self.value is not None or self.note is not None:
                raise UsageWrong(f"--value and --note go with a decision: TASK CALL and one of {', '.join(Verdict)}")
        elif decision not in Verdict.__members__.values():
            raise UsageWrong(f"{decision!r} is no decision; there are {', '.join(Verdict)}")
        return Asked(task, call, decision, self.value, self.note)

    def body(self, call_id: str) -> dict[str, Any]:
        body: dict[str, Any] = {"call_id": call_id, "decision": self.decision}
        if self.value is not None:
            try:
                body["value"] = orjson.loads(self.value)
            except orjson.JSONDecodeError as error:
                raise UsageWrong(f"--value is no JSON ({error}); a text needs its quotes: --value '\"paid\"'") from None
        if self.note is not None:
            body["note"] = self.note
        return body


@dataclass(frozen=True, slots=True)
class Page:
    mine: bool = False
    limit: int = 50
    cursor: str | None = None


def carried_out(url: str, asked: Asked, page: Page, as_json: bool) -> int:
    """The exit code."""

    async def command(client: OperatorClient) -> int:
        read = asked.read()
        if read.task is None:
            return await list_these(client, page, as_json, url)
        if read.decision is None:
            return await show_one(client, read.task, page.mine, as_json, url)
        return await decide_one(client, read, page.mine, as_json)

    return run(url, command, as_json, _tell_refusal)


async def list_these(client: OperatorClient, page: Page, as_json: bool, url: str = LOCAL) -> int:
    """What waits over all tenants; for whoever is no operator, or wants it so, what waits in their own tasks."""
    query = {"limit": str(page.limit)} | ({"cursor": page.cursor} if page.cursor else {})
    answer = None
    if not page.mine:
        try:
            answer = await client.get(OPERATOR_PATH, query)
        except Refused as error:
            if error.status != _NO_OPERATOR:
                raise
    if answer is None:
        own = await client.get("/v1/tasks", query | {"status": "waiting"})
        tasks = [await client.get(f"/v1/tasks/{task['id']}") for task in own["tasks"]]
        answer = {**own, "tasks": [task for task in tasks if task["waiting_for"]]}
    print_answer(answer, as_json, lambda answer: list_lines(answer, given(url)))
    return DONE


async def show_one(client: OperatorClient, task_id: str, mine: bool, as_json: bool, url: str = LOCAL) -> int:
    print_answer(await _task(client, task_id, mine), as_json, lambda task: task_lines(task, given(url)))
    return DONE


async def decide_one(client: OperatorClient, asked: Asked, mine: bool, as_json: bool) -> int:
    assert asked.task is not None  # noqa: S101
    call_id = asked.call
    if call_id is None:
        call_id = _only_call(await _task(client, asked.task, mine))
    answer = await client.post(f"/v1/tasks/{asked.task}/decisions", asked.body(call_id))
    if as_json:
        print_json(answer)
    else:
        print_lines(decided_lines(answer))
    return DONE


async def _task(client: OperatorClient, task_id: str, mine: bool) -> dict[str, Any]:
    if not mine:
        try:
            return await client.get(f"{OPERATOR_PATH}/{task_id}")
        except Refused as error:
            if error.status != _NO_OPERATOR:
                raise
    return await client.get(f"/v1/tasks/{task_id}")


def _only_call(task: dict[str, Any]) -> str:
    waiting = [call["call_id"] for call in task["waiting_for"]]
    if not waiting:
        raise UsageWrong(f"no call of {task['id']} waits for a decision; it is {task['status']}")
    if len(waiting) > 1:
        raise UsageWrong(f"{len(waiting)} calls wait; say which one: {', '.join(waiting)}")
    return waiting[0]


def _tell_refusal(error: Refused) -> None:
    tell_refusal(error)
    seconds = error.problem.get("retry_after_seconds")
    if seconds is not None:
        print(printable(f"it can be decided in {ceil(seconds)} s: repeat the command then"), file=sys.stderr)


def _id(text: str) -> str:
    try:
        return str(UUID(text))
    except ValueError:
        raise UsageWrong(f"{text!r} is no task's id; `roadworthy decide` lists those that wait") from None
