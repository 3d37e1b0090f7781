"""`roadworthy queue` against a server that answers as it is told."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from told_server import server
from typer.testing import CliRunner, Result

from roadworthy.app.command_line import cli

STRANDED = {
    "lane": "support@1",
    "queued": 12,
    "paused": 4,
    "undecided": 2,
    "parked": 1,
    "running": 0,
    "oldest_seconds": 4711.2,
    "workers": 0,
    "stranded": True,
}
SERVED = {
    "lane": "support@2",
    "queued": 0,
    "paused": 0,
    "undecided": 0,
    "parked": 0,
    "running": 3,
    "oldest_seconds": 0,
    "workers": 2,
    "stranded": False,
}
UPKEEP = {"last_run_seconds": 0.4, "missing": False}
NO_UPKEEP = {"last_run_seconds": 52.3, "missing": True}


def roadworthy(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["queue", *arguments])


def test_the_queue_is_a_table_with_what_to_do():
    with server((200, {"lanes": [STRANDED, SERVED], "totals": {}, "upkeep": UPKEEP})) as (url, asked):
        result = roadworthy("--url", url)
    assert result.exit_code == 0
    assert asked == [("/v1/operator/queue", None)]
    assert result.stdout.splitlines() == [
        "LANE       QUEUED  PAUSED  RUNNING  UNDECIDED  PARKED  OLDEST  WORKERS",
        "support@1      12       4        0          2       1  4711 s        0",
        "support@2       0       0        3          0       0     0 s        2",
        'no worker serves support@1; start one, declare continues=["1"], or move its tasks: '
        "roadworthy queue move support@1 --to 2",
        "2 tasks wait for somebody to decide: roadworthy decide",
        "1 task of support@1 waits for other code: roadworthy queue move support@1 --to VERSION --parked",
    ]


def test_an_empty_queue_is_said_in_words():
    with server((200, {"lanes": [], "totals": {}, "upkeep": UPKEEP})) as (url, _):
        assert "nothing is queued" in roadworthy("--url", url).stdout


@pytest.mark.parametrize("lanes", [[], [SERVED]])
def test_a_missing_upkeep_is_said_with_what_to_do(lanes: list[dict[str, Any]]):
    with server((200, {"lanes": lanes, "totals": {}, "upkeep": NO_UPKEEP})) as (url, _):
        lines = roadworthy("--url", url).stdout.splitlines()
    assert lines[-1] == "no upkeep has run for 52 s: start `roadworthy upkeep`"


def test_programs_read_what_the_server_said():
    answer = {"lanes": [STRANDED], "totals": {"depth": 12}}
    with server((200, answer)) as (url, _):
        assert orjson.loads(roadworthy("--url", url, "--json").stdout) == answer


def moved(count: int, notice: str | None = None) -> tuple[int, dict[str, Any]]:
    return 200, {"lane": "support@1", "to": "support@2", "moved": count, "more": count == 500, "notice": notice}


def test_tasks_are_moved_until_none_is_left():
    with server(moved(500), moved(500), moved(17, "no worker serves support@2 now; start one")) as (url, asked):
        result = roadworthy("move", "support@1", "--to", "2", "--url", url)
    assert result.exit_code == 0
    assert asked == [("/v1/operator/lanes/support@1/move", {"to": "2", "parked": False})] * 3
    assert result.stdout.splitlines() == [
        "1017 tasks of support@1 went to support@2",
        "Mind: no worker serves support@2 now; start one",
    ]
    assert result.stderr.splitlines() == ["moved 500", "moved 1000"]


def test_a_lane_that_is_gone_with_its_last_full_batch_is_no_failure():
    with server(moved(500), (404, {"code": "not_found", "detail": "no such lane"})) as (url, _):
        result = roadworthy("move", "support@1", "--to", "2", "--url", url)
    assert (result.exit_code, result.stdout.strip()) == (0, "500 tasks of support@1 went to support@2")


def test_programs_are_told_the_sum():
    with server(moved(1)) as (url, asked):
        result = roadworthy("move", "support@1", "--to", "2", "--parked", "--json", "--url", url)
    assert orjson.loads(result.stdout)["moved"] == 1
    assert asked[0][1] == {"to": "2", "parked": True}


@pytest.mark.parametrize(("status", "code"), [(404, 1), (403, 1), (503, 1), (422, 2)])
def test_a_refusal_is_shown_as_the_server_words_it(status: int, code: int):
    with server((status, {"code": "some_code", "detail": "it is like this"})) as (url, _):
        result = roadworthy("move", "support@1", "--to", "1", "--url", url)
    assert result.exit_code == code
    assert result.stderr.strip() == "it is like this (some_code)"


def test_a_refusal_after_a_part_has_said_what_was_moved():
    with server(moved(500), (503, {"code": "store_unavailable", "detail": "away"})) as (url, _):
        result = roadworthy("move", "support@1", "--to", "2", "--url", url)
    assert result.exit_code == 1
    assert result.stderr.splitlines() == ["moved 500", "away (store_unavailable)"]


def test_no_server_and_no_address():
    with server() as (url, _):
        pass
    gone = roadworthy("--url", url)
    assert (gone.exit_code, "Is the server running?" in gone.stderr) == (1, True)
    wrong = roadworthy("--url", "localhost:8080")
    assert (wrong.exit_code, "is no address of a server" in wrong.stderr) == (2, True)
