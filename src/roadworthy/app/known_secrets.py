"""Which values of the settings and the environment nobody may read in results, events or logs."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from urllib.parse import unquote, urlsplit

from roadworthy.app.settings import Settings
from roadworthy.core.redactor import LEAST_CHARACTERS

_SECRET_NAME = re.compile(
    r"(API_?KEY|(ACCESS|SECRET|PRIVATE|SIGNING|ENCRYPTION|SANDBOX)_KEY|SECRET|PASSWORD|PASSWD|PASSPHRASE"
    r"|(^|_)(TOKEN|PWD|PAT))$",
    re.IGNORECASE,
)
_ORDINARY = re.compile(r"[A-Za-z]+(?:[-_. ][A-Za-z]+)*|\d+|[-_.*xX]+")
_LEAST_OF_ONE_KIND = 20
"""Characters from which also words, or digits alone, count as a secret: pass phrases."""


def known_secrets(settings: Settings, environment: Mapping[str, str]) -> set[str]:
    """Passwords in the URLs of servers, the sandbox's key, and what the environment calls a key, token, secret or
    password, as far as it looks like one: at least 8 characters that are no ordinary words (`postgres`, `not-needed`),
    and no path of a file."""
    values = {settings.database_url, settings.redis_url, settings.queue_url}
    found = {secret for value in values for secret in _passwords(value)}
    found.add(getattr(settings, "sandbox_key", None) or "")
    for name, value in environment.items():
        found.update(_passwords(value))
        if _SECRET_NAME.search(name):
            found.add(value.strip())
    return {secret for secret in found if looks_secret(secret)}


def looks_secret(value: str) -> bool:
    """Whether taking it out of every text takes nothing else with it."""
    if len(value) < LEAST_CHARACTERS or value.startswith(("/", "./", "~/")):
        return False
    return len(value) >= _LEAST_OF_ONE_KIND or not _ORDINARY.fullmatch(value)


def _passwords(url: str) -> Iterator[str]:
    """Of a URL, as it stands there and as it is meant."""
    if "://" not in url or "@" not in url:
        return
    try:
        password = urlsplit(url).password
    except ValueError:
        return
    if password:
        yield password
        yield unquote(password)
