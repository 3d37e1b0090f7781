"""Log lines: JSON, or for people where there is a terminal."""

from __future__ import annotations

import logging
import os
import sys
from typing import Any

import structlog
from structlog.typing import EventDict


def configure_logging(level: str, format: str | None) -> None:
    """`format` is `json` or `console`; None means `console` on a terminal.

    Lines go to standard error, with the number of the process.
    """
    pid = os.getpid()

    def with_pid(_: object, __: str, line: EventDict) -> EventDict:
        """Supervised workers share one stream. A line of a supervisor about a worker has that worker's number."""
        line.setdefault("pid", pid)
        return line

    for_people = format == "console" or (format is None and sys.stderr.isatty())
    # Never with local variables: they hold what users wrote and keys.
    last: list[Any] = (
        [structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)]
        if for_people
        else [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            with_pid,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *last,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=False,
    )
    # One line for every malformed request of whoever comes by is not worth keeping.
    logging.getLogger("uvicorn").setLevel(logging.ERROR)
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s", stream=sys.stderr)
