"""`roadworthy route`: against files, and a server that answers as it is told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest
from told_server import server
from typer.testing import CliRunner, Result

from roadworthy import RouteRequest, TrainedRouter
from roadworthy.app.command_line import cli
from roadworthy.domain.ids import new_id

NO_SERVER = "http://127.0.0.1:1"


def roadworthy(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["route", *arguments])


def said(text: str, tier: str | None, grade: str | None, label: str | None = None) -> dict[str, Any]:
    """A graded session as the server shows it."""
    given = {
        "task_id": str(new_id()),
        "source": "operator" if label else "user",
        "grade": grade,
        "tier": label,
        "note": None,
        "given_by": "alice",
        "at": "2026-11-23T04:00:00.000Z",
    }
    tasks = [{"tier": tier, "grades": [given]}]
    return {"session_id": str(new_id()), "agent": "shop", "text": text, "tasks": tasks}


def thumbs(count: int) -> list[dict[str, Any]]:
    easy = [said(f"where is my parcel {n}", "simple", "good") for n in range(count)]
    hard = [said(f"read this contract {n}", "simple", "bad") for n in range(count)]
    return easy + hard


def page(sessions: list[dict[str, Any]], cursor: str | None = None) -> tuple[int, dict[str, Any]]:
    return 200, {"sessions": sessions, "next_cursor": cursor}


def tier_of(path: Path, text: str) -> str:
    return TrainedRouter.load(path).route(RouteRequest(text, {}, "", "", "", ""))


def labelled(folder: Path, rows: int = 60) -> Path:
    path = folder / "labelled.csv"
    lines = [f"where is my parcel {n},simple\nread this contract {n},complex" for n in range(rows)]
    path.write_text("text,tier\n" + "\n".join(lines) + "\n")
    return path


def test_a_router_learns_from_the_grades_of_a_server(tmp_path: Path):
    out, sessions = tmp_path / "router.json", thumbs(40)
    unknown = [said("by a service without tiers", None, "good")]
    with server(page(sessions[:50], "next"), page(sessions[50:] + unknown)) as (url, asked):
        result = roadworthy("train", "--from", "tasks", "--out", str(out), "--agent", "shop", "--url", url)
    assert result.exit_code == 0, result.output
    assert [path for path, _ in asked] == [
        "/v1/operator/grades?limit=200&agent=shop",
        "/v1/operator/grades?limit=200&agent=shop&cursor=next",
    ]
    lines = result.stdout.splitlines()
    assert lines[0] == "81 sessions with grades; 80 say how hard they were."
    assert lines[1].startswith("simple or harder: ")
    assert lines[2].startswith("complex or not: as far as is known the cheaper side is enough")
    assert lines[3] == f"Wrote {out}. Use it: AgentService(…, router=TrainedRouter.load('{out}'))"
    assert (tier_of(out, "where is my parcel"), tier_of(out, "read this contract")) == ("simple", "moderate")


def test_an_operator_labels_a_task():
    task = str(new_id())
    with server((200, {"task_id": task, "tier": "complex"})) as (url, asked):
        result = roadworthy("label", task, "--tier", "complex", "--note", "contract law", "--url", url)
    assert (result.exit_code, result.stdout) == (0, f"{task}: complex would have been enough\n")
    assert asked == [(f"/v1/operator/tasks/{task}/label", {"tier": "complex", "note": "contract law"})]
    assert roadworthy("label", task, "--tier", "hard").exit_code == 2
    assert "is no task's id" in roadworthy("label", "4711", "--tier", "simple", "--url", NO_SERVER).stderr


def test_since_is_a_moment_or_so_long_ago():
    with server(page([])) as (url, asked):
        assert roadworthy("train", "--from", "tasks", "--since", "7d", "--url", url).exit_code == 2
    assert asked[0][0].startswith("/v1/operator/grades?limit=200&since=20")
    assert roadworthy("train", "--from", "tasks", "--since", "yesterday", "--url", NO_SERVER).exit_code == 2


@pytest.mark.parametrize(
    ("sessions", "words"),
    [
        ([], "there are 0 examples; a router needs at least 50"),
        (thumbs(20), "there are 40 examples"),
        (thumbs(60)[:60], "60 examples say that a cheaper tier is enough and 0 that it is not"),
    ],
)
def test_too_few_grades_or_all_of_one_kind_write_nothing(tmp_path: Path, sessions: list[Any], words: str):
    out = tmp_path / "router.json"
    out.write_text("the one before")
    with server(page(sessions)) as (url, _):
        result = roadworthy("train", "--from", "tasks", "--out", str(out), "--url", url)
    assert result.exit_code == 2
    assert words in result.stderr
    assert result.stdout == ""
    assert out.read_text() == "the one before"


def test_a_router_learns_from_a_file_and_is_judged(tmp_path: Path):
    path, out = labelled(tmp_path), tmp_path / "router.json"
    trained = roadworthy("train", "--from", str(path), "--out", str(out), "--json")
    assert trained.exit_code == 0, trained.output
    answer = orjson.loads(trained.stdout)
    assert (answer["examples"], answer["keep"], answer["file"]) == (120, 0.95, str(out))
    assert [line["known"] for line in answer["lines"]] == [True, True]
    assert tier_of(out, "read this contract") == "complex"
    judged = orjson.loads(roadworthy("report", str(path), "--router", str(out), "--json").stdout)
    assert [one["choice"] for one in judged["choices"]] == [
        "always simple",
        "always moderate",
        "always complex",
        "rules",
        "trained",
        "the given one",
    ]
    assert judged["choices"][4]["quality"] >= 0.95


def test_a_report_for_people(tmp_path: Path):
    (tmp_path / "shop.py").write_text(
        "from roadworthy import AgentService, ModelTiers, Price\n"
        "async def reply(ctx, message): return 'hello'\n"
        "prices = {'small': Price('1', '1'), 'large': Price('10', '10')}\n"
        "service = AgentService(reply, models=ModelTiers(simple=['small'], complex=['large']), prices=prices)\n"
    )
    target = f"{tmp_path / 'shop.py'}:service"
    result = roadworthy("report", str(labelled(tmp_path)), "--target", target, "--output-tokens", "1000")
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert lines[0] == "120 requests. The weak tier has 50.0 % quality, the strong one 100.0 %."
    table = {" ".join(line.split("  ")[0].split()): line.split() for line in lines if line}
    assert table["trained"][0] == "trained"
    assert [table[name][-1] for name in ("always simple", "always moderate", "always complex")] == [
        "$1.01",
        "$10.09",
        "$10.09",
    ]
    assert any(line.strip().startswith("100 %") and "█" * 20 in line for line in lines)


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["train"], 2, "Missing option '--from'"),
        (["train", "--from", "nothing.csv"], 1, "nothing.csv: No such file"),
        (["train", "--from", "nothing.csv", "--agent", "a"], 2, "go with --from tasks"),
        (["train", "--from", "tasks", "--url", "nonsense"], 2, "no address of a server"),
        (["train", "--from", "tasks", "--url", NO_SERVER], 1, "Is the server running?"),
        (["train", "--from", "tasks", "--keep", "0"], 2, "--keep"),
        (["report", "nothing.csv"], 1, "nothing.csv: No such file"),
        (["report", __file__], 2, "no column 'text'"),
    ],
)
def test_what_can_not_be_done_is_said(arguments: list[str], code: int, words: str):
    result = roadworthy(*arguments)
    assert result.exit_code == code
    assert words in " ".join(result.stderr.replace("│", " ").split())


@pytest.mark.parametrize(
    ("service", "words"),
    [
        ("service = AgentService(reply)", "has 0 services with `models`"),
        ("service = AgentService(reply, models=ModelTiers(simple=['never-heard-of']))", "nobody has a price for"),
    ],
)
def test_a_report_needs_prices_if_it_is_to_say_costs(tmp_path: Path, service: str, words: str):
    (tmp_path / "shop.py").write_text(
        "from roadworthy import AgentService, ModelTiers\nasync def reply(ctx, message): return ''\n" + service
    )
    from roadworthy.domain.errors import TargetNotLoadable

    result = roadworthy("report", str(labelled(tmp_path)), "--target", f"{tmp_path / 'shop.py'}:service")
    assert isinstance(result.exception, TargetNotLoadable)
    assert words in str(result.exception)
