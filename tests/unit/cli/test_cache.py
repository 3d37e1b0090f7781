"""`roadworthy cache` against a server that answers as it is told."""

from __future__ import annotations

import orjson
import pytest
from told_server import server
from typer.testing import CliRunner, Result

from roadworthy.app.command_line import cli

CLEAR = "/v1/operator/cache/clear"


def roadworthy(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["cache", *arguments])


@pytest.mark.parametrize(
    ("options", "order", "cleared", "said"),
    [
        (["--all"], {"all": True}, "all", "forgot all kept replies"),
        (["--agent", "faq"], {"agent": "faq"}, {"agent": "faq"}, "forgot the kept replies of agent faq"),
        (
            ["--agent", "faq", "--agent-version", "2", "--tenant", "acme", "--note", "new prices"],
            {"agent": "faq", "version": "2", "tenant": "acme", "note": "new prices"},
            {"agent": "faq", "version": "2", "tenant": "acme"},
            "forgot the kept replies of agent faq, version 2, tenant acme",
        ),
    ],
)
def test_what_is_named_is_sent_and_said(options: list[str], order: object, cleared: object, said: str):
    with server((200, {"cleared": cleared})) as (url, asked):
        result = roadworthy("clear", *options, "--url", url)
    assert (result.exit_code, result.stdout) == (0, f"{said}\n")
    assert asked == [(CLEAR, order)]


def test_json_is_the_servers():
    with server((200, {"cleared": "all"})) as (url, _):
        result = roadworthy("clear", "--all", "--url", url, "--json")
    assert (result.exit_code, orjson.loads(result.stdout)) == (0, {"cleared": "all"})


@pytest.mark.parametrize(("status", "code"), [(422, 2), (503, 1)])
def test_a_refusal_is_told(status: int, code: int):
    with server((status, {"code": "why", "detail": "say so with --all"})) as (url, _):
        result = roadworthy("clear", "--url", url)
    assert (result.exit_code, result.stderr) == (code, "say so with --all (why)\n")


def test_nothing_answers():
    result = roadworthy("clear", "--all", "--url", "http://127.0.0.1:9")
    assert result.exit_code == 1
    assert "Is the server running?" in result.stderr


def test_help_teaches():
    assert "cache clear --agent support --tenant acme" in " ".join(roadworthy("clear", "--help").stdout.split())
    assert "clear" in roadworthy().output
