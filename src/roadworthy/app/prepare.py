"""What every command does first."""

from __future__ import annotations

import os

from roadworthy.app.http_server import is_loopback
from roadworthy.app.known_secrets import known_secrets
from roadworthy.app.logging import configure_logging
from roadworthy.app.settings import EMBEDDED, Settings, read_settings
from roadworthy.core.redactor import Redactor
from roadworthy.domain.errors import SettingsInvalid


def prepared(host: str | None) -> Settings:
    """The settings, with logging as they say. SettingsInvalid if they do not fit together, or not this host."""
    settings = read_settings()
    configure_logging(settings.log_level, settings.log_format, Redactor(known_secrets(settings, os.environ)))
    if settings.auth != "dev":
        raise SettingsInvalid("ROADWORTHY_AUTH=jwt is not there yet; this release serves loopback addresses only")
    if host is not None and not is_loopback(host):
        raise SettingsInvalid(
            f"ROADWORTHY_AUTH=dev lets everybody in, so it works on a loopback address only, not on {host}; "
            "use --host 127.0.0.1"
        )
    return settings


def prepared_for_shared_stores(command: str, host: str | None = None) -> Settings:
    """As `prepared`, for a command that is useless on stores of its own."""
    settings = prepared(host)
    if EMBEDDED in (settings.database_url, settings.redis_url):
        raise SettingsInvalid(
            f"`roadworthy {command}` shares its stores with other processes: set ROADWORTHY_DATABASE_URL and "
            "ROADWORTHY_REDIS_URL, or use `roadworthy serve`, which starts its own"
        )
    return settings
