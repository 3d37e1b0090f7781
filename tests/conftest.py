"""For every test: log lines as in production."""

from roadworthy.app.logging import configure_logging

configure_logging("info", "json")
