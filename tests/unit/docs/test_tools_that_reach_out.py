"""docs/http-tools.md and docs/mcp.md say what the code does, with code that can be served."""

from __future__ import annotations

import inspect
import sys
from pathlib import Path
from typing import Any

import pytest

from roadworthy.app.targets import services_of
from roadworthy.frameworks import runner_for
from roadworthy.frameworks.pydantic_ai.mcp_tools import IDEMPOTENCY_KEY
from roadworthy.tools import http
from roadworthy.tools.http.allow_list import AllowList

from .documents import blocks, quoted, table_after, text_of

HTTP, MCP = text_of("docs/http-tools.md"), text_of("docs/mcp.md")


@pytest.mark.parametrize("page", [HTTP, MCP], ids=["http-tools", "mcp"])
def test_the_example_can_be_served(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "not-a-key")
    monkeypatch.setattr(sys, "path", [*sys.path])
    file = tmp_path / "example_of_the_page.py"
    file.write_text(blocks(page, "python")[0])
    try:
        (service,) = services_of(f"{file}:service")
        assert runner_for(service).framework == "pydantic_ai"
    finally:
        sys.modules.pop("example_of_the_page", None)


def test_the_entries_of_the_table_are_entries() -> None:
    for entry, _ in table_after(HTTP, "entry of"):
        AllowList(quoted(entry))


def test_the_settings_have_these_defaults() -> None:
    defaults: dict[str, Any] = {
        name: parameter.default for name, parameter in inspect.signature(http.Client).parameters.items()
    }
    for name, default, _ in table_after(HTTP, "setting |"):
        (setting,) = quoted(name)
        written = default.replace(",", "")
        assert defaults[setting] == (int(written) if written.isdigit() else None), setting


def test_the_errors_are_those_of_the_client() -> None:
    for row in table_after(HTTP, "error |"):
        for name in quoted(row[0]):
            assert name == "ToolCallFailed" or name in http.__all__


def test_the_key_of_a_server_is_that_of_the_code() -> None:
    assert f"`{IDEMPOTENCY_KEY}`" in MCP
