"""`roadworthy decide` against a server that answers as it is told."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest
from told_server import server

from roadworthy.edges.cli.decide import Asked, Page, carried_out
from roadworthy.edges.cli.decide_screen import call_lines, list_lines, task_lines

TASK = "019a0000-0000-7000-8000-000000000001"
NO_OPERATOR = (403, {"code": "not_allowed", "detail": "this needs the scope `operator`"})


def call(about: str = "approval", **more: Any) -> dict[str, Any]:
    given = {
        "call_id": "t2:call_a",
        "about": about,
        "tool": "refund",
        "arguments": {"order_id": "DC-2207", "cents": 3300},
        "since": (datetime.now(UTC) - timedelta(minutes=2)).isoformat(),
        "attempt": 1,
        "words": None,
        "error": None,
        "opens_at": None,
    }
    return given | more


def task(*calls: dict[str, Any], **more: Any) -> dict[str, Any]:
    given = {
        "id": TASK,
        "agent": "support",
        "version": "1",
        "tenant": "shop",
        "user": "anna",
        "status": "waiting",
        "reason": "refund needs an approval",
        "expires_at": "2026-11-30T12:00:00.000Z",
        "waiting_for": list(calls),
    }
    return given | more


def page(*tasks: dict[str, Any], cursor: str | None = None) -> dict[str, Any]:
    return {"tasks": list(tasks), "next_cursor": cursor}


DECIDED = {
    "task_id": TASK,
    "call_id": "t2:call_a",
    "decision": "approve",
    "value": None,
    "note": "he is right",
    "by": {"tenant": "shop", "user": "olga"},
    "at": "2026-11-23T12:00:00.000Z",
    "status": "queued",
}


def test_the_list_has_all_that_is_needed_to_decide_and_the_commands(capsys: pytest.CaptureFixture[str]):
    effect = call("effect", call_id="t3:call b", error="the connection broke", words="it did not come back")
    effect["idempotency_key"] = "rw-1"
    with server((200, page(task(call(), effect), cursor="next"))) as (url, asked):
        assert carried_out(url, Asked(), Page(limit=7), False) == 0
    assert asked == [("/v1/operator/decisions?limit=7", None)]
    shown = capsys.readouterr().out
    for words in (
        "2 calls wait for a decision",
        f"task {TASK} of shop/anna on support@1 is waiting\n",
        "may refund be called?  (t2:call_a, asked 2m ago in attempt 1)",
        'order_id  "DC-2207"',
        "cents     3300",
        f"roadworthy decide {TASK} t2:call_a approve --url {url}",
        "did refund happen?  (t3:call b, started 2m ago in attempt 1)",
        "idempotency key: rw-1\n",
        "it said: the connection broke",
        "why you are asked: it did not come back",
        f"roadworthy decide {TASK} 't3:call b' not_done --note 'HOW YOU KNOW' --url {url}",
        "more: --cursor next",
    ):
        assert words in shown


def test_who_is_no_operator_is_shown_what_waits_in_their_own_tasks(capsys: pytest.CaptureFixture[str]):
    own = (200, page(task(call())))
    with server(NO_OPERATOR, own, (200, task(call())), own, (200, task())) as (url, asked):
        assert carried_out(url, Asked(), Page(), True) == 0
        assert len(orjson.loads(capsys.readouterr().out)["tasks"]) == 1
        # One that waits for something else than a decision about a call is not among them.
        assert carried_out(url, Asked(), Page(mine=True), False) == 0
    assert [path for path, _ in asked[1:3]] == ["/v1/tasks?limit=50&status=waiting", f"/v1/tasks/{TASK}"]
    assert "no call waits for a decision" in capsys.readouterr().out


def test_a_decision_is_sent_as_it_was_typed(capsys: pytest.CaptureFixture[str]):
    with server((200, DECIDED)) as (url, asked):
        typed = Asked(TASK, "t2:call_a", "approve", '{"cents": 900}', "he is right")
        assert carried_out(url, typed, Page(), False) == 0
    body = {"call_id": "t2:call_a", "decision": "approve", "value": {"cents": 900}, "note": "he is right"}
    assert asked == [(f"/v1/tasks/{TASK}/decisions", body)]
    assert capsys.readouterr().out.splitlines() == [
        "t2:call_a is decided: approve by shop/olga: he is right",
        f"task {TASK} is queued",
    ]


def test_the_only_call_that_waits_needs_no_name(capsys: pytest.CaptureFixture[str]):
    two = task(call(), call(call_id="t2:call_b"))
    with server((200, task(call())), (200, DECIDED), (200, two), (200, task(status="running"))) as (url, asked):
        assert carried_out(url, Asked(TASK, "deny"), Page(), True) == 0
        assert asked[1] == (f"/v1/tasks/{TASK}/decisions", {"call_id": "t2:call_a", "decision": "deny"})
        assert carried_out(url, Asked(TASK, "deny"), Page(), True) == 2
        assert "2 calls wait; say which one: t2:call_a, t2:call_b" in capsys.readouterr().err
        assert carried_out(url, Asked(TASK, "deny"), Page(), True) == 2
        assert "it is running" in capsys.readouterr().err


def test_null_is_a_value(capsys: pytest.CaptureFixture[str]):
    with server((200, DECIDED)) as (url, asked):
        assert carried_out(url, Asked(TASK, "t2:call_a", "done", "null"), Page(), True) == 0
    assert asked[0][1] == {"call_id": "t2:call_a", "decision": "done", "value": None}


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        (Asked("nonsense"), "'nonsense' is no task's id"),
        (Asked(TASK, "t2:call_a"), "say what shall be with t2:call_a: approve, deny, done, not_done"),
        (Asked(TASK, "t2:call_a", "yes"), "'yes' is no decision; there are approve, deny, done, not_done"),
        (Asked(TASK, "t2:call_a", "done", "paid"), "a text needs its quotes"),
        (Asked(TASK, note="why"), "--value and --note go with a decision"),
    ],
)
def test_what_can_not_be_meant_is_said_without_asking(typed: Asked, words: str, capsys: pytest.CaptureFixture[str]):
    with server() as (url, asked):
        assert carried_out(url, typed, Page(), False) == 2
    assert asked == []
    assert words in capsys.readouterr().err


@pytest.mark.parametrize(("status", "code"), [(404, 1), (409, 1), (422, 2)])
def test_a_refusal_is_told_with_its_words(status: int, code: int, capsys: pytest.CaptureFixture[str]):
    problem = {"status": status, "code": "why", "detail": "because", "retry_after_seconds": 12.2}
    with server((status, problem)) as (url, _):
        assert carried_out(url, Asked(TASK, "t2:call_a", "deny"), Page(), False) == code
    told = capsys.readouterr().err
    assert "because (why)" in told
    assert "it can be decided in 13 s" in told


def test_nothing_that_is_invisible_or_turns_the_text_around_hides_what_is_allowed():
    tricky = call(arguments={"to": "anna\u202e99\x1b[2J"}, error="fine\u200b\n\x9bm")
    shown = "\n".join(call_lines(tricky))
    assert not set(shown) & {"\u202e", "\u200b", "\x1b", "\x9b"}
    assert "\\u202e99" in shown
    assert "\\u200b" in shown


def test_no_name_that_a_model_chose_looks_like_more_than_a_name():
    forged = {'cents       1\n  note        "harmless"\n\n\n': 0, "cents  1  note": 0, "x" * 5000: 0, "cents": 990_000}
    lines = call_lines(call(tool="look_up be called?\nmay refund", arguments=forged, call_id="a\nb"))
    assert len(lines) == 5 and not any("\n" in line for line in lines)
    assert lines[0].startswith('may "look_up be called?\\nmay refund" be called?  (a\\u000ab, ')
    assert lines[1].lstrip().startswith('"cents       1\\n  note        \\"harmless\\"\\n')
    assert lines[2].lstrip().startswith('"cents  1  note" ')
    assert len(lines[3]) < 700
    assert lines[4].split() == ["cents", "990000"] and len(lines[4]) < 60


def test_a_long_argument_says_how_long_it_is():
    (line,) = [line for line in call_lines(call(arguments={"text": "x" * 5000})) if "text" in line]
    assert len(line) < 700
    assert "5002 characters; --json shows all" in line


def test_a_call_that_may_still_run_says_until_when():
    soon = (datetime.now(UTC) + timedelta(seconds=40)).isoformat()
    assert any("it can be decided in" in line for line in call_lines(call("effect", opens_at=soon)))
    assert not any("it can be decided in" in line for line in call_lines(call("effect", opens_at="2020-01-01T00:00Z")))


def test_what_the_task_was_asked_stands_above_its_calls():
    shown = task_lines(task(call(), input="My mug broke.\nPlease pay back all of it, \u202eto me"))
    assert '  "My mug broke.\\nPlease pay back all of it, \\u202eto me"' in shown
    assert shown.index("it was asked:") < shown.index(next(line for line in shown if "may refund be called" in line))


def test_a_task_that_waits_for_no_call_says_for_what():
    shown = task_lines(task(reason="the code does something else than the journal says"))
    assert shown[0].endswith("is waiting: the code does something else than the journal says")
    assert "it expires at 2026-11-30T12:00:00.000Z" in shown


def test_nothing_waits():
    assert list_lines(page()) == ["no call waits for a decision"]


def test_the_command_teaches_what_its_words_mean():
    env = os.environ | {"COLUMNS": "120", "TERM": "dumb"}
    command = [sys.executable, "-c", "from roadworthy.app.command_line import main; main()", "decide", "--help"]
    shown = subprocess.run(command, capture_output=True, text=True, check=True, env=env).stdout
    for word in ("approve", "deny", "done", "not_done", "--value", "--note", "pays it twice", "all its arguments"):
        assert word in shown
    assert """approve --value '{"order_id": "DC-2207", "cents": 900}'""" in shown
