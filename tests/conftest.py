"""For every test: log lines as in production. For those with real processes: where they come from, once for all."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
import structlog

from roadworthy.app.logging import configure_logging

if TYPE_CHECKING:  # others do without what these need
    from acceptance.processes import Launcher
    from acceptance.servers import Servers

configure_logging("info", "json")


@pytest.fixture(autouse=True)
def log_as_before() -> Iterator[None]:
    """A command that a test runs in this process makes logging its own, on a stream that closes with it."""
    before = structlog.get_config()
    yield
    if structlog.get_config() != before:
        structlog.configure(**before)


@pytest.fixture(scope="session")
def launcher() -> Iterator[Launcher]:
    from acceptance.processes import Launcher

    launcher = Launcher()
    yield launcher
    launcher.close()


@pytest.fixture(scope="session")
def servers() -> Iterator[Servers]:
    from acceptance.servers import Servers

    servers = Servers()
    yield servers
    servers.close()
