"""Prices of one's own, for all services of a process."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
import structlog

from roadworthy import AgentService
from roadworthy.app.price_file import price_book
from roadworthy.app.settings import read_settings
from roadworthy.domain.errors import SettingsInvalid

TODAY = date(2026, 11, 20)


async def reply(message: str) -> str:
    return message


def written(folder: Path, content: str) -> Path:
    (file := folder / "prices.toml").write_text(content)
    return file


def test_the_files_prices_hold_for_every_service(tmp_path: Path):
    file = written(
        tmp_path,
        """
        updated = 2026-11-01
        [models."openai:gpt-5-mini"]
        input = "1"
        output = 2
        cache_read = 0.1
        cache_write = "1.25"
        """,
    )
    prices = price_book(file, TODAY).of(AgentService(reply))
    usage = {"input_tokens": 30, "output_tokens": 10, "cache_read_tokens": 10, "cache_write_tokens": 8}
    assert prices.cost("gpt-5-mini", usage, "openai") == 12 + 20 + 1 + 10


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("updated = 2026-11-01\n[models.m\ninput = 1", "it is not TOML: .*line 2"),
        ("", "updated must be the day on which its prices were looked up, like 2026-11-20"),
        ("updated = 'today'", "updated must be the day"),
        ("updated = 2027-01-01", "updated is 2027-01-01, a day that has not come yet"),
        ("update = 2026-11-01", "update: there is no such key"),
        ("updated = 2026-11-01\nmodels = 3", r"models: write \[models"),
        ("updated = 2026-11-01\n[models]\nm = 3", r'write \[models."m"\]'),
        ("updated = 2026-11-01\n[models.m]\ninput = 1", r'models."m".output is missing'),
        ("updated = 2026-11-01\n[models.m]\ninput = 1\noutput = 1\nouput = 1", r'models."m".ouput: there is no such'),
        ("updated = 2026-11-01\n[models.m]\ninput = 1\noutput = 'free'", "models.\"m\": price output: 'free' is no"),
        ("updated = 2026-11-01\n[models.m]\ninput = -1\noutput = 1", 'models."m": price input: -1 is no'),
        ("updated = 2026-11-01\n[models.m]\ninput = nan\noutput = 1", 'models."m": price input: nan is no'),
        ("updated = 2026-11-01\n[models.m]\ninput = 3e6\noutput = 1", "meant for a million tokens"),
        ("updated = 2026-11-01\n[models.m]\ninput = true\noutput = 1", "must be an amount in dollars"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_with_the_line(tmp_path: Path, content: str, words: str):
    with pytest.raises(SettingsInvalid, match=f"(?s)^ROADWORTHY_PRICES: .*prices.toml: .*{words}"):
        price_book(written(tmp_path, content), TODAY)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("ROADWORTHY_PRICES", str(tmp_path / "prices.toml"))
    with pytest.raises(SettingsInvalid, match=r"prices\.toml: it can't be read: No such file"):
        price_book(read_settings().prices)


@pytest.mark.parametrize(("updated", "warned"), [("2026-05-23", True), ("2026-05-24", False)])
def test_a_file_that_nobody_looked_at_for_half_a_year_is_warned_of(tmp_path: Path, updated: str, warned: bool):
    with structlog.testing.capture_logs() as logs:
        price_book(written(tmp_path, f"updated = {updated}"), TODAY)
    assert [(line["event"], line["log_level"], line["days"]) for line in logs] == [
        ("prices_are_stale", "warning", 181)
    ] * warned
