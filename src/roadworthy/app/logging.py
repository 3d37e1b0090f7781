"""Log lines: JSON, or for people where there is a terminal."""

from __future__ import annotations

import logging
import os
import sys
from typing import Any, cast

import structlog
from structlog.typing import EventDict

from roadworthy.core.redactor import Redactor
from roadworthy.edges.cli.steering import without_steering


def configure_logging(level: str, format: str | None, redactor: Redactor | None = None) -> None:
    """`format` is `json` or `console`; None means `console` on a terminal.

    Lines go to standard error, with the number of the process, and without the redactor's secrets. What code of others
    prints there by itself passes neither.
    """
    pid = os.getpid()
    redactor = redactor or Redactor()

    def with_pid(_: object, __: str, line: EventDict) -> EventDict:
        """Supervised workers share one stream. A line of a supervisor about a worker has that worker's number."""
        line.setdefault("pid", pid)
        return line

    def without_secrets(_: object, __: str, line: EventDict) -> EventDict:
        return redactor.value(_in_words(line, redactor)) if redactor.knows_any else line

    for_people = format == "console" or (format is None and sys.stderr.isatty())
    # Never with local variables: they hold what users wrote and keys.
    last: list[Any] = (
        [_for_a_terminal, structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)]
        if for_people
        else [structlog.processors.JSONRenderer()]
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            with_pid,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            without_secrets,
            *last,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=False,
    )
    # One line for every malformed request of whoever comes by is not worth keeping.
    logging.getLogger("uvicorn").setLevel(logging.ERROR)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Formatter("%(levelname)s %(name)s: %(message)s", redactor))
    logging.basicConfig(level=logging.WARNING, handlers=[handler])


def _in_words(value: Any, redactor: Redactor) -> Any:
    """What a line shows by its `repr`, where secrets could not be found any more."""
    match value:
        case None | str() | bytes() | int() | float():
            return value
        case dict():
            fields = cast(dict[Any, Any], value)
            return {_in_words(name, redactor): _in_words(each, redactor) for name, each in fields.items()}
        case list():
            return [_in_words(each, redactor) for each in cast(list[Any], value)]
        case tuple():
            return tuple(_in_words(each, redactor) for each in cast(tuple[Any, ...], value))
        case set() | frozenset():
            each = [repr(redactor.value(_in_words(each, redactor))) for each in cast(set[Any], value)]
            return f"{{{', '.join(sorted(each))}}}"
        case BaseException() if redactor.text(said := str(value)) != said:
            # Before `repr` escapes what is in it.
            return f"{type(value).__name__}({redactor.text(said)!r})"
        case _:
            return redactor.text(repr(value))


def _for_a_terminal(_: object, __: str, line: EventDict) -> EventDict:
    """What a tool or a provider said must not steer it."""
    return {name: without_steering(value) if isinstance(value, str) else value for name, value in line.items()}


class _Formatter(logging.Formatter):
    """Of the lines of libraries."""

    def __init__(self, format: str, redactor: Redactor) -> None:
        super().__init__(format)
        self._redactor = redactor

    def format(self, record: logging.LogRecord) -> str:
        return without_steering(self._redactor.text(super().format(record)))
