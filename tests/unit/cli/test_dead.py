"""`roadworthy dead …` against a server that answers as it is told; what the real one says is tested in acceptance."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import orjson
import pytest
from aiohttp import web
from typer.testing import CliRunner

from roadworthy.app.command_line import cli
from roadworthy.edges.cli.dead import (
    Chosen,
    Ordered,
    UsageWrong,
    discard_these,
    resume_many,
    resume_these,
    show_list,
    show_one,
)
from roadworthy.edges.cli.dead_screen import letter_lines, list_lines
from roadworthy.edges.cli.operator_client import OperatorClient

ID, OTHER = "019a0000-0000-7000-8000-000000000001", "019a0000-0000-7000-8000-000000000002"
NOWHERE = "http://127.0.0.1:1"


class Server:
    """Gives the next answer of a path, and keeps what it was asked."""

    def __init__(self, **answers: list[Any]) -> None:
        self.answers = answers
        self.asked: list[tuple[str, str, Any]] = []

    async def answer(self, request: web.Request) -> web.Response:
        body = orjson.loads(await request.read() or b"{}")
        self.asked.append((request.method, request.path_qs, body))
        status, answer = self.answers[request.path.rpartition("/")[2].partition("-")[0]].pop(0)
        return web.json_response(answer, status=status)

    @asynccontextmanager
    async def client(self) -> AsyncIterator[OperatorClient]:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self.answer)
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        assert site._server is not None
        port = site._server.sockets[0].getsockname()[1]
        async with OperatorClient.to(f"http://127.0.0.1:{port}") as client:
            yield client
        await runner.cleanup()


def task(id_: str = ID, **more: Any) -> dict[str, Any]:
    given = {
        "id": id_,
        "agent": "support",
        "version": "1",
        "status": "queued",
        "reason": "resumed by dev",
        "notices": [],
    }
    return given | {"outcome": "resumed"} | more


def counts(total: int) -> tuple[int, dict[str, Any]]:
    return 200, {"tasks": [], "counts": {"total": total, "by": []}, "next_cursor": None}


def batch(*tasks: dict[str, Any], cursor: str | None = None, interrupted: bool = False) -> tuple[int, dict[str, Any]]:
    return 200, {"tasks": list(tasks), "next_cursor": cursor, "interrupted": interrupted, "dry_run": False}


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["resume"], "--all for every dead task"),
        (["discard", "--dry-run"], "--all for every dead task"),
        (["resume", "--all", "--code", "x"], "it goes with no filter"),
        (["resume", "nonsense"], "'nonsense' is no task's id"),
        (["resume", ID, "--code", "x"], "IDs or a filter, not both"),
        (["discard", ID, "--all"], "IDs or a filter, not both"),
        (["resume", ID, "--dry-run"], "roadworthy dead show ID"),
        (["resume", ID, OTHER, "--input", "a"], "belongs to one task"),
        (["resume", "--all", "--input", "a"], "belongs to one task"),
        (["resume", ID, "--repeat-effects"], "goes with --from-start"),
        (["resume", ID, "--limit", "steps"], "NAME=VALUE"),
        (["resume", ID, "--limit", "steps=many"], "'many' is no number"),
        (["resume", ID, "--input", "a", "--input-file", "b"], "not both"),
        (["resume", ID, "--input-file", "/nowhere/at/all"], "can't be read"),
        (["list", "--since", "yesterday"], "--since 'yesterday'"),
        (["show", "7"], "'7' is no task's id"),
    ],
)
def test_wrong_usage_says_what_to_write_instead(arguments: list[str], says: str):
    result = CliRunner().invoke(cli, ["dead", *arguments, "--url", NOWHERE])
    assert (result.exit_code, result.stdout) == (2, "")
    assert says in result.stderr


def test_a_server_that_is_not_there():
    result = CliRunner().invoke(cli, ["dead", "list", "--url", NOWHERE])
    assert result.exit_code == 1
    assert f"Nothing answers at {NOWHERE}" in result.stderr
    assert CliRunner().invoke(cli, ["dead", "list", "--url", "nowhere"]).exit_code == 2


@pytest.mark.parametrize("command", ["list", "show", "resume", "discard"])
def test_help_teaches(command: str):
    result = CliRunner().invoke(cli, ["dead", command, "--help"], terminal_width=120)
    assert result.exit_code == 0
    assert "--url" in result.stdout
    assert "--json" in result.stdout


async def test_an_order_is_sent_as_it_was_typed(tmp_path: Path):
    (tmp_path / "input").write_text("Pay for the lamp.\n")
    server = Server(resume=[(202, task())])
    limits = ["cost_usd=1.50", "steps=40", "step_seconds=2.5"]
    order = Ordered(None, tmp_path / "input", limits, "2", True, True, "because")
    async with server.client() as client:
        assert await resume_these(client, [ID], Chosen(), order, False, False) == 0
    assert server.asked == [
        (
            "POST",
            f"/v1/operator/dead/{ID}/resume",
            {
                "input": "Pay for the lamp.\n",
                "limits": {"cost_usd": "1.50", "steps": 40, "step_seconds": 2.5},
                "version": "2",
                "from_start": True,
                "repeat_effects": True,
                "note": "because",
            },
        )
    ]


async def test_of_several_a_refused_one_holds_up_no_other(capsys: pytest.CaptureFixture[str]):
    refusal = {"code": "not_dead", "detail": "the task is queued"}
    server = Server(discard=[(409, refusal), (200, task(OTHER, status="discarded", reason=None))])
    async with server.client() as client:
        assert await discard_these(client, [ID, OTHER, ID], Chosen(), None, False, False) == 1
    told = capsys.readouterr()
    assert told.out == f"{OTHER} is discarded\n"
    assert told.err == f"{ID}:\nthe task is queued (not_dead)\n"


async def test_what_would_be_done_again_is_listed(capsys: pytest.CaptureFixture[str]):
    effect = {"tool": "pay", "arguments": {"n": 1}, "step": 2, "generation": 0, "outcome": "done", "result": "paid"}
    unknown = effect | {"outcome": "unknown", "generation": 1}
    refusal = {"code": "effects_would_repeat", "detail": "look", "effects": [effect, unknown]}
    async with Server(resume=[(409, refusal)]).client() as client:
        assert await resume_these(client, [ID], Chosen(), Ordered(from_start=True), False, False) == 1
    assert capsys.readouterr().err.splitlines()[2:] == [
        'pay({"n":1}) in step 2: done "paid"',
        'pay({"n":1}) in step 2 of generation 1: unknown, it may have happened or not',
    ]


async def test_many_go_in_batches_until_there_are_no_more(capsys: pytest.CaptureFixture[str]):
    refused = task(OTHER, outcome="refused", problem={"code": "effects_would_repeat", "detail": "look"})
    server = Server(dead=[counts(3)], resume=[batch(task(), refused, cursor="c1"), batch(task(notices=["mind this"]))])
    async with server.client() as client:
        assert await resume_many(client, Chosen(code="x"), Ordered(note="n"), False, False) == 1
    told = capsys.readouterr()
    assert told.err == "2 of 3\n3 of 3\n"
    assert told.out.splitlines()[1:] == [
        f"{OTHER}  support@1  refused: look (effects_would_repeat)",
        f"{ID}  support@1  resumed",
        "  note: mind this",
        "2 resumed, 1 refused",
    ]
    assert server.asked[0][1] == "/v1/operator/dead?code=x&limit=1"
    filter = {"filter": {"code": "x"}, "all": False, "limit": 50, "dry_run": False, "note": "n"}
    assert [body for *_, body in server.asked[1:]] == [filter | {"cursor": None}, filter | {"cursor": "c1"}]


async def test_a_store_that_goes_away_ends_the_command_which_may_be_repeated(capsys: pytest.CaptureFixture[str]):
    lost = task(OTHER, outcome="unknown", problem={"code": "store_unavailable", "detail": "away"})
    server = Server(dead=[counts(9)], resume=[batch(task(), lost, interrupted=True)])
    async with server.client() as client:
        assert await resume_many(client, Chosen(everything=True), Ordered(), False, False) == 1
    assert "repeat the command" in capsys.readouterr().out


async def test_json_is_one_object(capsys: pytest.CaptureFixture[str]):
    server = Server(dead=[counts(1), counts(1)], resume=[batch(task())])
    async with server.client() as client:
        assert await resume_many(client, Chosen(everything=True), Ordered(), False, True) == 0
        assert orjson.loads(capsys.readouterr().out) == {"tasks": [task()], "interrupted": False, "dry_run": False}
        assert await show_list(client, Chosen(), 50, None, True) == 0
        assert orjson.loads(capsys.readouterr().out)["counts"]["total"] == 1


async def test_times_of_death_are_sent_with_their_zone():
    server = Server(dead=[counts(0), counts(0)])
    async with server.client() as client:
        await show_list(client, Chosen(since="2h", until="2026-05-04T12:00:00+02:00"), 7, "c", False)
    _, asked, _ = server.asked[0]
    assert "since=20" in asked
    assert "%2B00:00&until=2026-05-04T" in asked
    assert "limit=7&cursor=c" in asked


async def test_what_others_wrote_does_not_steer_the_terminal(capsys: pytest.CaptureFixture[str]):
    evil = "\x1b[2J\x1b]0;owned\x07"
    usage = {"cost_usd": "0", "steps": 1, "input_tokens": 1, "output_tokens": 1}
    letter = {
        **task(status="dead", reason=evil),
        "tenant": "acme",
        "user": evil,
        "session_id": OTHER,
        "attempt": 1,
        "generation": 0,
        "died_at": "2026-05-04T12:00:00Z",
        "advice": None,
        "history": [{"role": "user", "content": evil}],
        "input": evil,
        "steps": [
            {
                "step": 1,
                "generation": 0,
                "failed": True,
                "text": evil,
                "tool_calls": [{"tool": evil, "arguments": {evil: 1}}],
            }
        ],
        "effects": [],
        "usage": usage,
        "limits": {"cost_usd": "1", "steps": 2, "total_seconds": 3},
        "running_seconds": 1,
        "changes": [{"at": "x", "status": "dead", "reason": evil}],
        "actions": [],
    }
    async with Server(**{ID.partition("-")[0]: [(200, letter)]}).client() as client:
        assert await show_one(client, ID, False) == 0
    told = capsys.readouterr().out
    assert "\x1b" not in told
    assert "\x07" not in told
    assert letter_lines(letter)[-2] == f"go on: roadworthy dead resume {ID}"
    for code, options in (("agent_failed", " --version NEW"), ("content_refused", " --input TEXT"), ("lease_lost", "")):
        go_on, give_up = letter_lines(letter | {"error": {"code": code}}, "http://127.0.0.1:9000")[-2:]
        assert go_on == f"go on: roadworthy dead resume {ID}{options} --url http://127.0.0.1:9000"
        assert give_up == f"give up: roadworthy dead discard {ID} --url http://127.0.0.1:9000"
    for waited, options in (("waiting", " --limit waiting_seconds=SECONDS"), ("queued", "")):
        changes = [{"at": "x", "status": status, "reason": None} for status in ("dead", waited, "dead")]
        told = letter_lines(letter | {"error": {"code": "waited_too_long"}, "changes": changes})
        assert told[-2] == f"go on: roadworthy dead resume {ID}{options}"


def test_the_list_says_how_to_look_into_one_on_the_same_server():
    line = {
        **task(status="dead"),
        "died_at": None,
        "tenant": "acme",
        "user": "alice",
        "error": {"code": "agent_failed", "message": "it fell"},
    }
    page = {"tasks": [line], "counts": None, "next_cursor": None}
    assert list_lines(page)[-1] == "all about one: roadworthy dead show ID"
    assert list_lines(page, NOWHERE)[-1] == f"all about one: roadworthy dead show ID --url {NOWHERE}"


def test_nothing_is_asked_of_a_filter_that_says_nothing():
    with pytest.raises(UsageWrong):
        Chosen().body(dry_run=False)
    assert Chosen(everything=True).body(dry_run=True)["all"]
