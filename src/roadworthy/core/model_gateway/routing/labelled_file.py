"""Reads a labelled file: CSV with a header, one request a line.

`text` (or `prompt`) is the request. Beside it stands either `tier`, the cheapest one that is enough, or two columns
whose names begin with `weak` and `strong`: how good the answers of two models were, as true or false or from 0 to 1.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from roadworthy.core.model_gateway.routing.evidence import Lines, of_label, of_pair
from roadworthy.domain.errors import ExamplesUnusable
from roadworthy.domain.route import TIERS, is_tier

_COLUMNS = "name its columns `text,tier`, or `text,weak,strong`"
_WORDS = {"true": 1.0, "yes": 1.0, "false": 0.0, "no": 0.0}


@dataclass(frozen=True, slots=True)
class Labelled:
    """A request, and what is known of how hard it is."""

    text: str
    lines: Lines


@dataclass(frozen=True, slots=True)
class LabelledFile:
    compares_models: bool
    """It says how good two models' answers were, and not which tier is enough."""
    examples: Sequence[Labelled]


def read_labelled(lines: Iterable[str]) -> LabelledFile:
    """ExamplesUnusable, with the line, for what isn't understood."""
    reader = csv.reader(lines, strict=True)
    try:
        header = [name.strip().lower() for name in next(reader, list[str]())]
        compares_models, read = _reading(header)
        examples = [_example(reader.line_num, row, len(header), read) for row in reader if row]
    except csv.Error as error:
        raise ExamplesUnusable(f"line {reader.line_num} is not CSV: {error}") from None
    except UnicodeDecodeError:
        raise ExamplesUnusable(f"after line {reader.line_num} it is not UTF-8 text") from None
    return LabelledFile(compares_models, examples)


_Read = Callable[[Sequence[str]], Labelled]


def _reading(header: Sequence[str]) -> tuple[bool, _Read]:
    """How a row is read; the columns are looked up once."""
    text = _place(header, lambda name: name in ("text", "prompt"), "text")
    if "tier" in header:
        tier = header.index("tier")
        return False, lambda row: Labelled(row[text], _label(row[tier]))
    weak = _place(header, lambda name: name.startswith("weak"), "weak")
    strong = _place(header, lambda name: name.startswith("strong"), "strong")
    return True, lambda row: Labelled(row[text], of_pair(_quality(row[strong]), _quality(row[weak])))


def _place(header: Sequence[str], fits: Callable[[str], bool], wanted: str) -> int:
    found = [place for place, name in enumerate(header) if fits(name)]
    if len(found) != 1:
        what = f"has no column {wanted!r}" if not found else f"has several columns {wanted!r}"
        raise ExamplesUnusable(f"it {what}; {_COLUMNS}")
    return found[0]


def _example(number: int, row: Sequence[str], columns: int, read: _Read) -> Labelled:
    if len(row) != columns:
        raise ExamplesUnusable(f"line {number} has {len(row)} columns, and the first line has {columns}")
    try:
        return read(row)
    except ValueError as error:
        raise ExamplesUnusable(f"line {number}: {error}") from None


def _label(value: str) -> Lines:
    tier = value.strip().lower()
    if not is_tier(tier):
        raise ValueError(f"{value[:40]!r} is none of {', '.join(TIERS)}")
    return of_label(tier)


def _quality(value: str) -> float:
    word = value.strip().lower()
    try:
        quality = _WORDS[word] if word in _WORDS else float(word)
    except ValueError:
        quality = -1.0
    if not 0 <= quality <= 1:
        raise ValueError(f"{value[:40]!r} is not true, false or a number from 0 to 1")
    return quality
