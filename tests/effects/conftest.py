"""How often workers are killed and stopped, and what they are killed in."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from acceptance.conftest import (  # noqa: F401
    bare_deployment,
    few_certificates,
    folder,
    no_process_is_left,
    provider,
)
from acceptance.effect_deployment import effects  # noqa: F401

FOUND = pytest.StashKey[list[str]]()
"""What is said at the end."""


def pytest_configure(config: pytest.Config) -> None:
    config.stash[FOUND] = []


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    for line in config.stash[FOUND]:
        terminalreporter.write_line(line)


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("effects")
    group.addoption("--kills", type=int, default=None, help="how often a worker is killed at a random point")
    group.addoption("--stops", type=int, default=None, help="how often a worker is stopped until it was replaced")


__all__: Sequence[str] = ()
