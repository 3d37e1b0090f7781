"""`roadworthy budget` against a server that answers as it is told."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest
from told_server import server
from typer.testing import CliRunner, Result

from roadworthy.app.command_line import cli

CHARGE, TASK = "019a0000-0000-7000-8000-000000000001", "019a0000-0000-7000-8000-000000000002"
LIMITS = {"user_day": "5", "tenant_month": None, "global_month": "1000"}
ALICE = {
    "scope": "user_day",
    "tenant": "acme",
    "user": "alice",
    "limit_usd": "5",
    "spent_usd": "4.05",
    "uncertain_usd": "0.1",
    "reserved_usd": "0.4",
    "used_ratio": 0.81,
    "used_up": False,
    "seconds_left": 11_525.0,
}
ALL = ALICE | {
    "scope": "global_month",
    "tenant": None,
    "user": None,
    "limit_usd": "1000",
    "spent_usd": "1000.07",
    "uncertain_usd": "0",
    "reserved_usd": "0",
    "used_ratio": 1.0001,
    "used_up": True,
    "seconds_left": 691_201.5,
}
UNCERTAIN = {
    "id": CHARGE,
    "at": (datetime.now(UTC) - timedelta(hours=2, minutes=30)).isoformat(),
    "state": "uncertain",
    "estimate_usd": "0.02",
    "cost_usd": None,
    "task_id": TASK,
    "attempt": 1,
    "key": "m1",
    "tenant": "acme",
    "user": "alice",
    "agent": "support",
    "version": "1",
    "model": "claude",
}


def roadworthy(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["budget", *arguments])


def test_standings_are_a_table_with_bars():
    with server((200, {"limits_usd": LIMITS, "budgets": [ALL, ALICE]})) as (url, asked):
        result = roadworthy("--url", url)
    assert (result.exit_code, asked) == (0, [("/v1/operator/budgets?limit=20", None)])
    assert result.stdout.splitlines() == [
        "BUDGET              USED                            SPENT  RESERVED  LIMIT  NEXT WINDOW IN",
        "month of everybody  ████████████████████  100 %  $1000.07        $0  $1000  8 d",
        "day of acme/alice   ████████████████▒░░░   81 %     $4.05      $0.4     $5  3 h 12 min",
        "",
        "used up, new tasks are refused: month of everybody",
        "",
        "day of acme/alice: $0.1 of $4.05 is uncertain",
        f"what nobody knows for certain counts as spent; see: roadworthy budget charges --state uncertain --url {url}",
    ]


@pytest.mark.parametrize(
    ("spent", "reserved", "bar"),
    [("0", "0", "░" * 20), ("0.2", "0.1", "▒" + "░" * 19), ("4.99", "0.01", "█" * 19 + "▒"), ("5.01", "0.5", "█" * 20)],
)
def test_a_bar_is_full_only_when_all_is_gone(spent: str, reserved: str, bar: str):
    alice = ALICE | {"spent_usd": spent, "reserved_usd": reserved, "uncertain_usd": "0"}
    with server((200, {"limits_usd": LIMITS, "budgets": [alice]})) as (url, _):
        assert f"  {bar}  " in roadworthy("--url", url).stdout


def test_without_budgets_or_spending_it_says_what_there_is():
    nothing = dict.fromkeys(LIMITS)
    with server((200, {"limits_usd": nothing, "budgets": []}), (200, {"limits_usd": LIMITS, "budgets": []})) as (
        url,
        _,
    ):
        assert "set ROADWORTHY_BUDGET_PER_USER_DAY_USD, ROADWORTHY_BUDGET" in roadworthy("--url", url).stdout
        assert roadworthy("--url", url).stdout == (
            "nothing was spent yet of $5 for each user and day, $1000 for everybody and a month\n"
        )


def test_charges_of_a_state_and_a_task_and_how_to_put_one_right():
    with server((200, {"charges": [UNCERTAIN], "next_cursor": "abc"})) as (url, asked):
        result = roadworthy("charges", "--state", "uncertain", "--task", TASK.upper(), "--url", url)
    assert asked == [(f"/v1/operator/charges?limit=50&state=uncertain&task_id={TASK}", None)]
    lines = result.stdout.splitlines()
    assert lines[0].split() == ["ID", "MADE", "STATE", "COST", "ESTIMATE", "MODEL", "AGENT", "USER", "TASK", "CALL"]
    assert lines[1].split() == [
        CHARGE, "2h", "ago", "uncertain", "$0.02", "claude", "support@1", "acme/alice", TASK, "m1",
    ]  # fmt: skip
    assert lines[3] == (
        f"when the provider's bill has the cost: roadworthy budget correct ID --cost 0.0123 --url {url}"
    )
    assert lines[-1] == "more: --cursor abc"


@pytest.mark.parametrize(
    ("cost", "sent", "words"),
    [
        ("0.0123", "0.0123", "it counted as $0.02, $0.0077 may be spent again"),
        ("$0", "0", "it counted as $0.02, $0.02 may be spent again"),
        ("0.03", "0.03", "it counted as $0.02, that is $0.01 more"),
    ],
)
def test_a_charge_is_corrected(cost: str, sent: str, words: str):
    with server((200, UNCERTAIN | {"state": "settled", "cost_usd": sent})) as (url, asked):
        result = roadworthy("correct", CHARGE, "--cost", cost, "--note", "invoice 4711", "--url", url)
    assert result.exit_code == 0
    assert asked == [(f"/v1/operator/charges/{CHARGE}/correct", {"cost_usd": sent, "note": "invoice 4711"})]
    assert result.stdout == f"charge {CHARGE} is settled at ${sent}; {words}\n"


def test_alerts():
    alert = {
        "kind": "budget",
        "at": (datetime.now(UTC) - timedelta(hours=2, minutes=30)).isoformat(),
        "scope": "user_day",
        "tenant": "acme",
        "user": "alice",
        "window_start": "2026-11-23",
        "percent": 80,
        "limit_usd": "5",
        "spent_usd": "4.05",
    }
    with server((200, {"alerts": [alert]}), (200, {"alerts": []})) as (url, asked):
        lines = roadworthy("alerts", "--url", url).stdout.splitlines()
        nothing = roadworthy("alerts", "--limit", "7", "--url", url).stdout
    assert lines[1] == "2h ago  day of acme/alice     80 %  $4.05     $5  2026-11-23"
    assert (nothing, asked[1][0]) == (
        "there were no alerts: of no budget was half spent\n",
        "/v1/operator/alerts?limit=7",
    )


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("correct", "4711", "--cost", "1"), "'4711' is no charge's id; `roadworthy budget charges` shows them"),
        (("correct", CHARGE, "--cost", "cheap"), "--cost 'cheap' is no amount in dollars; write it like 0.0123"),
        (("correct", CHARGE, "--cost", "-1"), "is no amount in dollars"),
        (("correct", CHARGE, "--cost", "1e999999999"), "is no amount in dollars"),
        (("correct", CHARGE), "Missing option '--cost'"),
        (("charges", "--task", "mine"), "'mine' is no task's id"),
        (("charges", "--state", "lost"), "'lost' is not one of"),
        (("alerts", "--limit", "0"), "should be greater than or equal to 1"),
    ],
)
def test_what_cannot_be_meant_is_not_sent(arguments: tuple[str, ...], words: str):
    with server() as (url, asked):
        result = roadworthy(*arguments, "--url", url)
    assert (result.exit_code, asked) == (2, [])
    assert words in " ".join(result.stderr.replace("│", " ").split())


@pytest.mark.parametrize(("status", "code"), [(404, 1), (409, 1), (403, 1), (503, 1), (422, 2)])
def test_a_refusal_is_shown_as_the_server_words_it(status: int, code: int):
    refusal: dict[str, Any] = {"code": "some_code", "detail": "it is like this"}
    with server((status, refusal), (status, refusal)) as (url, _):
        result = roadworthy("correct", CHARGE, "--cost", "1", "--url", url)
        as_json = roadworthy("correct", CHARGE, "--cost", "1", "--json", "--url", url)
    assert (result.exit_code, result.stderr) == (code, "it is like this (some_code)\n")
    assert orjson.loads(as_json.stdout) == refusal


def test_programs_read_what_the_server_said():
    answer = {"limits_usd": LIMITS, "budgets": [ALICE]}
    with server((200, answer)) as (url, _):
        assert orjson.loads(roadworthy("--json", "--url", url).stdout) == answer
