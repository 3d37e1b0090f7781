"""docs/tools.md teaches what the code does, with code that runs."""

from __future__ import annotations

import re
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any, get_args

import pytest

from roadworthy import AgentService, ToolPolicy
from roadworthy.app.targets import services_of
from roadworthy.domain.decision import Verdict
from roadworthy.domain.effect import Outcome
from roadworthy.domain.limits import Limits
from roadworthy.domain.service import Effect
from roadworthy.frameworks import runner_for

from .documents import blocks, quoted, table_after, text_of

PAGE = text_of("docs/tools.md")
(EXAMPLE,) = blocks(PAGE, "python")


@pytest.fixture
def service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "not-a-key")
    monkeypatch.setattr(sys, "path", [*sys.path])
    file = tmp_path / "shop_of_the_page.py"
    file.write_text(EXAMPLE)
    (service,) = services_of(f"{file}:service")
    yield service
    sys.modules.pop("shop_of_the_page", None)


def test_the_example_can_be_served_and_declares_each_of_its_tools(service: AgentService):
    assert runner_for(service).framework == "pydantic_ai"
    there = {name for toolset in service.agent.toolsets for name in getattr(toolset, "tools", {})}
    assert set(service.tools) == there
    assert {policy.effect for policy in service.tools.values()} == set(get_args(Effect))


def test_its_approval_asks_about_large_refunds_only(service: AgentService):
    approval = service.tools["refund"].approval
    assert callable(approval)
    assert [approval(order_id="DC-2207", cents=cents) for cents in (20_00, 20_01)] == [False, True]


def test_every_field_of_a_policy_is_explained():
    missing = [field.name for field in fields(ToolPolicy) if not re.search(rf"`[^`]*\b{field.name}\b", PAGE)]
    assert missing == []


def test_every_effect_outcome_and_decision_is_explained():
    assert {quoted(row[1])[0] for row in table_after(PAGE, "your tool")} == set(get_args(Effect))
    assert [quoted(row[0])[0] for row in table_after(PAGE, "outcome")] == list(Outcome)
    for verdict in Verdict:
        assert re.search(rf"\b{verdict}\b", PAGE, re.IGNORECASE), verdict


def test_the_figures_are_those_of_the_code():
    assert f"`Limits(parallel_tools={Limits().parallel_tools})`" in PAGE
    assert f"`result_bytes` ({ToolPolicy().result_bytes:,})" in PAGE
    assert Limits().waiting_seconds == 7 * 86400 and "`waiting_seconds` (a week)" in PAGE


@pytest.mark.parametrize("picture", ["which-effect", "way-of-a-tool-call"])
def test_its_pictures_say_in_words_what_they_show(picture: str):
    drawn = text_of(f"docs/pictures/{picture}.svg")
    assert f"pictures/{picture}.svg" in PAGE
    assert re.search(r"<desc id=\"description\">.{80,}</desc>", drawn)
