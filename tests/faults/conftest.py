"""A trial for each test, and what all of them have to show at the end."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

import pytest

from acceptance.conftest import (  # noqa: F401
    bare_deployment,
    few_certificates,
    folder,
    no_process_is_left,
    provider,
)
from acceptance.deployment import Deployment
from faults.report import Report
from faults.trial import Trial

REPORT = pytest.StashKey[Report]()


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("faults")
    group.addoption("--long", action="store_true", help="every fault, instead of those that nothing else covers")
    group.addoption("--rounds", type=int, default=1, help="how often each fault is made")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "long: only with --long")
    config.stash[REPORT] = Report(_is_long(config))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not _is_long(config):
        left_out = [item for item in items if item.get_closest_marker("long")]
        items[:] = [item for item in items if item not in left_out]
        config.hook.pytest_deselected(items=left_out)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    rounds = metafunc.config.getoption("rounds", 1)
    if "trial" in metafunc.fixturenames and rounds > 1:
        metafunc.fixturenames.append("round")
        metafunc.parametrize("round", range(1, rounds + 1), ids=lambda number: f"round {number}")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    for line in config.stash[REPORT].close():
        terminalreporter.write_line(line)


@pytest.fixture
async def trial(request: pytest.FixtureRequest, bare_deployment: Deployment) -> AsyncIterator[Trial]:  # noqa: F811
    trial = Trial(bare_deployment, _name_of(request.node))
    try:
        yield trial
    finally:
        await trial.close()
        try:
            await bare_deployment.close()
        finally:
            await trial.stop_proxies()
        report = request.config.stash[REPORT]
        line = report.add(request.node.nodeid, trial.outcome)
        if report.long:
            request.config.get_terminal_writer().line(f"\n{line}")


def _name_of(item: pytest.Item) -> str:
    return item.name.removeprefix("test_").replace("_", " ")


def _is_long(config: pytest.Config) -> bool:
    return bool(config.getoption("long", False))


__all__: Sequence[str] = ()
