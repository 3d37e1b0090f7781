"""The README's code is code."""

import sys

import pytest

from roadworthy.app.targets import services_of
from roadworthy.frameworks import runner_for

from .documents import blocks, text_of

README = text_of("README.md")
SHOP, PLAIN = blocks(README, "python")


@pytest.fixture
def own_folder(tmp_path, monkeypatch):
    """A folder of a user's own, with a key that nobody accepts; nothing of it stays imported."""
    monkeypatch.setenv("ANTHROPIC_API_KEY", "not-a-key")
    monkeypatch.setattr(sys, "path", [*sys.path])
    modules = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - modules:
        if str(getattr(sys.modules[name], "__file__", None) or "").startswith(str(tmp_path)):
            del sys.modules[name]


@pytest.mark.parametrize("code", blocks(README, "python"), ids=["shop", "plain"])
def test_it_compiles(code):
    compile(code, "README.md", "exec")


def test_the_shop_is_a_service_that_can_be_served(own_folder):
    file = own_folder / "shop.py"
    file.write_text(SHOP)
    (service,) = services_of(f"{file}:service")
    assert f"Roadworthy serves {service.lane} on " in README
    assert runner_for(service).framework == "pydantic_ai"
    assert {tool: policy.effect for tool, policy in service.tools.items()} == {"find_order": "read", "refund": "once"}
    there = {name for toolset in service.agent.toolsets for name in getattr(toolset, "tools", {})}
    assert set(service.tools) == there


def test_the_shop_is_about_twenty_lines():
    assert len(SHOP.splitlines()) <= 22


def test_the_plain_function_can_be_served(own_folder):
    file = own_folder / "plain.py"
    file.write_text(PLAIN)
    (service,) = services_of(f"{file}:reply")
    assert (service.name, runner_for(service).framework) == ("reply", "function")
