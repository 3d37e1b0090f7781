"""Which process a line is of, where many write into one stream."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator

import pytest
import structlog

from roadworthy.app.logging import configure_logging


@pytest.fixture
def configured() -> Iterator[None]:
    before = structlog.get_config()
    configure_logging("info", "json")
    structlog.configure(logger_factory=structlog.ReturnLoggerFactory())
    yield
    structlog.configure(**before)


@pytest.mark.usefixtures("configured")
def test_a_line_has_the_number_of_its_process():
    assert json.loads(structlog.get_logger().warning("claim_failed"))["pid"] == os.getpid()


@pytest.mark.usefixtures("configured")
def test_a_line_about_a_worker_has_the_number_of_that_worker():
    assert json.loads(structlog.get_logger().error("worker_stuck", pid=4711))["pid"] == 4711
