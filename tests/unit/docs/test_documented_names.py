"""Names that the documents give away are those of the code."""

import re
import subprocess
from types import ModuleType

import pytest

import roadworthy
from roadworthy.adapters.memory.database import MemoryDatabase
from roadworthy.adapters.memory.similar_replies import MemorySimilarReplies
from roadworthy.app.command_line import cli
from roadworthy.app.settings import Settings
from roadworthy.core.upkeep.upkeep import all_duties
from roadworthy.domain.budget import BudgetLimits
from roadworthy.domain.event import Place
from roadworthy.domain.task import TRANSITIONS, TaskStatus
from roadworthy.testing.manual_clock import ManualClock

from .documents import PAGES, REPOSITORY, quoted, table_after, text_of

PATH = re.compile(r"(?<![\w/.-])(?:src|tests|docs|examples|benchmarks)/[\w./-]*[\w/]")
LINK = re.compile(r"\]\(([^)#:]*)(?:#([^)]+))?\)")
SETTINGS_HEAD = "`ROADWORTHY_…`"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(REPOSITORY)))
def test_every_path_that_a_document_names_exists(page):
    missing = [path for path in PATH.findall(page.read_text("utf-8")) if not (REPOSITORY / path).exists()]
    assert missing == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(REPOSITORY)))
def test_every_link_leads_somewhere(page):
    for path, heading in LINK.findall(page.read_text("utf-8")):
        target = page.parent / path if path else page
        assert target.exists(), path
        if heading:
            assert heading in headings(target.read_text("utf-8"))


def headings(text: str) -> set[str]:
    """As GitHub makes anchors of them."""
    found = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading).strip().lower().replace(" ", "-") for heading in found}


def test_the_public_names_are_those_of_all():
    names = vars(roadworthy).items()
    public = {name for name, value in names if not name.startswith("_") and not isinstance(value, ModuleType)}
    assert public == set(roadworthy.__all__)


@pytest.mark.parametrize("name", roadworthy.__all__)
def test_every_public_name_is_explained(name):
    assert f"`{name}`" in text_of("GLOSSARY.md") or name in text_of("README.md")
    assert getattr(roadworthy, name).__doc__


def test_the_readme_lists_every_setting_with_its_default():
    fields = Settings.model_fields
    listed: dict[str, str] = {}
    for names, default, _ in table_after(text_of("README.md"), SETTINGS_HEAD):
        values = default.replace("`", "").split(", ")
        for place, name in enumerate(quoted(names)):
            listed[name.lower()] = values[min(place, len(values) - 1)]
    # What log_format is depends on where the log goes.
    expected = {name: str(field.default) for name, field in fields.items()} | {"log_format": "json"}
    assert listed == expected


def test_every_setting_that_the_readme_mentions_is_one():
    names = re.findall(r"ROADWORTHY_([A-Z_]+)", text_of("README.md"))
    assert {name.lower() for name in names} <= Settings.model_fields.keys()


def test_the_documents_name_the_commands_that_make_has():
    listed = subprocess.run(["make", "help"], cwd=REPOSITORY, capture_output=True, text=True, check=True).stdout
    there = set(re.findall(r"^ +make ([a-z-]+) ", listed, re.MULTILINE))
    assert there == {
        quoted(row[0])[0].removeprefix("make ") for row in table_after(text_of("CONTRIBUTING.md"), "command")
    }
    for page in PAGES:
        assert set(re.findall(r"(?:^|`)make ([a-z-]+)", page.read_text("utf-8"), re.MULTILINE)) <= there


def test_every_roadworthy_command_that_a_document_names_exists():
    there = {command.name or command.callback.__name__ for command in cli.registered_commands if command.callback}
    there |= {group.typer_instance.info.name for group in cli.registered_groups if group.typer_instance}
    for page in PAGES:
        named = re.findall(r"(?:`|\$ |bin/)roadworthy\s+([a-z-]+)", page.read_text("utf-8"))
        assert set(named) <= there


def test_architecture_gives_the_transitions_of_the_code():
    table = {row[0]: row[2] for row in table_after(text_of("ARCHITECTURE.md"), "a task is")}
    given = {TaskStatus(quoted(status)[0]): {TaskStatus(name) for name in quoted(to)} for status, to in table.items()}
    assert given == {status: set(after) for status, after in TRANSITIONS.items()}


def test_architecture_gives_the_duties_of_the_code():
    rows = table_after(text_of("ARCHITECTURE.md"), "duty")
    given = {quoted(name)[0]: float(every.split(" ")[0]) for name, every, _ in rows}
    similar = MemorySimilarReplies(MemoryDatabase(ManualClock()))
    assert given == {duty.name: duty.every_seconds for duty in all_duties(30, 3, BudgetLimits(1), similar)}


def test_architecture_gives_event_numbers_of_the_code():
    examples = re.findall(r"(\d+)\.(\d+)\.(\d+)\.(\d+) +(\d+)", text_of("ARCHITECTURE.md"))
    assert len(examples) == 4
    for *place, number in examples:
        assert Place(*map(int, place)).number == int(number)
