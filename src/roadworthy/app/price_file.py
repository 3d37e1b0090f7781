"""The file that ROADWORTHY_PRICES names: prices that hold for all services, unless one declares its own.

updated = 2026-11-01

[models."openai:gpt-5-mini"]     # dollars for a million tokens
input = "0.25"
output = "2"
cache_read = "0.025"
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import structlog

from roadworthy.core.model_gateway.prices import PriceBook
from roadworthy.domain.errors import SettingsInvalid
from roadworthy.domain.price import Price

STALE_AFTER_DAYS = 180

_NAMES = ("input", "output", "cache_read", "cache_write")

log = structlog.get_logger()


def price_book(path: Path | None, today: date | None = None) -> PriceBook:
    """The prices of this process, read from the list of genai-prices and from the file, if there is one.

    SettingsInvalid, naming the line, for a file that can't be used; a warning for one that is old.
    """
    book = PriceBook(_prices(path, today or datetime.now(UTC).date()) if path else {})
    book.read()
    return book


def _prices(path: Path, today: date) -> dict[str, Price]:
    try:
        content = tomllib.loads(path.read_text())
    except OSError as error:
        raise _invalid(path, f"it can't be read: {error.strerror}") from None
    except ValueError as error:
        raise _invalid(path, f"it is not TOML: {error}") from None
    if unknown := content.keys() - {"updated", "models"}:
        raise _invalid(path, f"{sorted(unknown)[0]}: there is no such key; it has `updated` and [models.NAME]")
    _check_age(path, content.get("updated"), today)
    models = content.get("models", {})
    if not isinstance(models, dict):
        raise _invalid(path, 'models: write [models."NAME"]')
    return {name: _price(path, name, given) for name, given in cast(dict[str, Any], models).items()}


def _price(path: Path, model: str, given: object) -> Price:
    place = f'models."{model}"'
    if not isinstance(given, Mapping):
        raise _invalid(path, f'{place}: write [{place}] and below it input = "2.50" and output = "10"')
    amounts = cast(Mapping[str, Any], given)
    if unknown := amounts.keys() - set(_NAMES):
        raise _invalid(path, f"{place}.{sorted(unknown)[0]}: there is no such key; there are {', '.join(_NAMES)}")
    if missing := {"input", "output"} - amounts.keys():
        raise _invalid(path, f'{place}.{sorted(missing)[0]} is missing; where it costs nothing, write "0"')
    try:
        return Price(**amounts)
    except ValueError as error:
        raise _invalid(path, f"{place}: {error}") from None


def _check_age(path: Path, updated: object, today: date) -> None:
    if isinstance(updated, datetime) or not isinstance(updated, date):
        raise _invalid(path, f"updated must be the day on which its prices were looked up, like {today:%Y-%m-%d}")
    if updated > today + timedelta(days=1):  # it may be tomorrow where it was written
        raise _invalid(path, f"updated is {updated}, a day that has not come yet")
    if (days := (today - updated).days) > STALE_AFTER_DAYS:
        log.warning(
            "prices_are_stale",
            file=str(path),
            updated=str(updated),
            days=days,
            todo="compare them with what your providers charge, and set `updated` to the day of that",
        )


def _invalid(path: Path, problem: str) -> SettingsInvalid:
    return SettingsInvalid(f"ROADWORTHY_PRICES: {path}: {problem}")
