"""Which process a line is of, where many write into one stream."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
import structlog

from roadworthy.app.logging import _Formatter, configure_logging
from roadworthy.core.redactor import Redactor


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


SECRET = "sk-4711-geheim"
QUOTED = "4711-ge'hei\"m\\"


@pytest.fixture(params=["json", "console"])
def redacted(request: pytest.FixtureRequest) -> Iterator[None]:
    before = structlog.get_config()
    configure_logging("info", request.param, Redactor([SECRET, QUOTED]))
    structlog.configure(logger_factory=structlog.ReturnLoggerFactory())
    yield
    structlog.configure(**before)


def fail() -> None:
    raise ValueError(f"the service says: {SECRET} is wrong")


@pytest.mark.usefixtures("redacted")
def test_no_line_shows_a_secret():
    try:
        fail()
    except ValueError as error:
        line = structlog.get_logger().error(f"about {SECRET}", reason=[{"key": SECRET}], exc_info=error)
    assert SECRET not in line
    assert line.count("[redacted]") == 3
    assert "fail()" in line or "in fail" in line


@dataclass
class Login:
    password: str


@pytest.mark.usefixtures("redacted")
@pytest.mark.parametrize(
    "value",
    [
        ValueError(f"not {SECRET}"),
        ValueError(f"not {QUOTED}"),
        {SECRET},
        frozenset([(1, QUOTED)]),
        Login(SECRET),
        [{"login": Login(SECRET)}],
        {"raw": b"x" + SECRET.encode()},
        (ExceptionGroup("all", [ValueError(SECRET)]),),
    ],
    ids=["error", "quotes", "set", "frozen", "object", "within", "bytes", "group"],
)
def test_no_line_shows_a_secret_through_an_object(value: object):
    line = structlog.get_logger().error("failed", about=value)
    assert SECRET not in line and "ge'hei" not in line
    assert "[redacted]" in line


@pytest.mark.usefixtures("redacted")
def test_an_object_without_a_secret_is_shown_as_before():
    assert "ValueError('no order 7')" in structlog.get_logger().error("failed", about=ValueError("no order 7"))


@pytest.mark.usefixtures("redacted")
def test_no_line_steers_the_terminal():
    line = structlog.get_logger().error("tool_failed", reason="\x1b]0;owned\x07\x1b[2Jgone\u202etxt.exe")
    assert not any(each in line for each in ("\x1b]", "\x1b[2J", "\x07", "\u202e"))


def test_lines_of_libraries_show_no_secret():
    line = logging.LogRecord("lib", logging.ERROR, "", 0, "with %s\x1b[2J", (SECRET,), None)
    assert _Formatter("%(message)s", Redactor([SECRET])).format(line) == "with [redacted][2J"
