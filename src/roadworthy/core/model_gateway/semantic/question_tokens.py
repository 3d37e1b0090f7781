"""Cuts a text into words, numbers, identifiers and signs, in a time that grows no faster than the text.

Users write what is read here, and it is read on the event loop: no pattern may try a second way to read the same
characters. Each takes what it can in one go (`++`, `*+`), and Python decides what that is.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

Kind = Literal["word", "number", "exact", "sign"]


@dataclass(frozen=True, slots=True)
class Token:
    """Of the kind `exact` are identifiers, addresses and what stands in quotes."""

    kind: Kind
    text: str
    begins: bool
    """Whether a sentence begins with it."""


_QUOTED = re.compile(r"""["“„«]([^"“”„«»]{1,80})["”“»]|(?<!\w)'([^'\s][^']{0,79})'(?!\w)""")
_CHUNK = re.compile(r"""[^\s<>(),;"“”„«»]++""")
_UNSPACED = re.compile(r"\S++")
_PATH = re.compile(r"[/\\][\w.~-]")
_HOST = re.compile(r"[\w-]++(?:\.[\w-]++)++")
_PLAIN = re.compile(
    r"""
    (?P<number> \d++(?:[.,:]\d+)*(?!\w) )
    | (?P<run> \w++(?:[-.']\w++)*+ )
    | (?P<tag> [@\#][\w-]++ )
    | (?P<sign> [!=<>]=++ | <> | -> | <- | [^\w\s] )
    """,
    re.VERBOSE,
)

_APOSTROPHES = str.maketrans({"’": "'", "‘": "'", "ʼ": "'", "`": "'", "´": "'"})
_ENDS_A_SENTENCE: Final = frozenset(".?!:;")
_DASHES: Final = frozenset("-–—−‒")
_BRACKETS: Final = frozenset("()[]{}")
_PUNCTUATION: Final = frozenset(".,;:?!'\"“”„«»…_")
_BESIDE_ONLY: Final = frozenset("/\\|&") | _BRACKETS | _DASHES
"""Signs where a number or a letter stands beside them, and punctuation elsewhere."""


def plain(text: str) -> str:
    """With one way to write what has several. Raised numbers and fractions stay apart from those before them."""
    apart = "".join([f" ^{sign} " if unicodedata.category(sign) == "No" else sign for sign in text])
    return unicodedata.normalize("NFKC", apart).translate(_APOSTROPHES)


def tokens_of(text: str) -> Iterator[Token]:
    """Of a `plain` text."""
    begins = True
    for kind, token in _pieces(text):
        if kind == "end":
            begins = True
        elif token:
            yield Token(kind, token, begins)
            begins = False


_Piece = tuple[Literal["word", "number", "exact", "sign", "end"], str]


def _pieces(text: str) -> Iterator[_Piece]:
    end = 0
    for quoted in _QUOTED.finditer(text):
        yield from _unquoted(text, end, quoted.start())
        yield "exact", " ".join((quoted[1] or quoted[2]).casefold().split())
        end = quoted.end()
    yield from _unquoted(text, end, len(text))


def _unquoted(text: str, start: int, stop: int) -> Iterator[_Piece]:
    at = start
    while (chunk := _CHUNK.search(text, at, stop)) is not None:
        token = chunk.group().rstrip(".:!?'*…").lstrip("'*:")
        at = chunk.start() + chunk.group().index(token)
        if _is_url(token):
            unspaced = _UNSPACED.search(text, at, stop)
            token = unspaced.group().rstrip(".,;:!?)'\"") if unspaced else token
        elif not _is_address(token):
            at = chunk.end()
            continue
        yield from _unaddressed(text, start, at)
        yield "exact", token
        start = at = at + len(token)
    yield from _unaddressed(text, start, stop)


def _is_url(token: str) -> bool:
    return "://" in token or token[:4].lower() == "www."


def _is_address(token: str) -> bool:
    if "@" in token[1:-1] or _PATH.search(token) is not None:
        return True
    last = token.rpartition(".")[2]
    return 2 <= len(last) <= 5 and last.isalpha() and _HOST.fullmatch(token) is not None


def _unaddressed(text: str, start: int, stop: int) -> Iterator[_Piece]:
    end = start
    for match in _PLAIN.finditer(text, start, stop):
        if "\n" in text[end : match.start()]:
            yield "end", ""
        end = match.end()
        match match.lastgroup, match.group():
            case "number", token:
                yield "number", token
            case "run", token:
                yield from _run(token)
            case "tag", token:
                yield "exact", token
            case _, token:
                yield from _sign(text, match.start(), match.end(), token)
    if "\n" in text[end:stop]:
        yield "end", ""


def _run(token: str) -> Iterator[_Piece]:
    """Of letters, digits and what joins them."""
    if any(sign.isdigit() for sign in token):
        yield "exact", token.removesuffix("'s")
    elif "_" in token:
        # A line to write on says nothing.
        yield "exact", token if token.strip("_-.'") else ""
    elif "." in token:
        joined = token.replace(".", "").lower()
        yield ("word", joined) if joined in ("am", "pm") else ("exact", token)
    else:
        for number, part in enumerate(token.split("-")):
            yield ("sign", "-free") if number and part.lower() == "free" else ("word", part)


def _sign(text: str, start: int, stop: int, sign: str) -> Iterator[_Piece]:
    if sign == "!" and (text[start - 1 : start].isdigit() or text[stop : stop + 1].isalnum()):
        yield "sign", sign
    elif sign in _ENDS_A_SENTENCE:
        yield "end", ""
    elif sign in _BRACKETS:
        if _counts(text, start - 1) or _counts(text, stop):
            yield "sign", sign
    elif sign in _DASHES:
        if _counts(text, _skip(text, stop, 1)) and not _is_bullet(text, start, stop):
            yield "sign", "-"
    elif sign in _BESIDE_ONLY:
        if _counts(text, _skip(text, start - 1, -1)) or _counts(text, _skip(text, stop, 1)):
            yield "sign", sign
    elif sign not in _PUNCTUATION:
        yield "sign", sign


def _counts(text: str, at: int) -> bool:
    """Whether a number, an amount or a single letter stands there."""
    if not 0 <= at < len(text):
        return False
    sign = text[at]
    if sign.isdigit() or unicodedata.category(sign) == "Sc":
        return True
    if sign == "." and text[at + 1 : at + 2].isdigit():
        return True
    alone = not (text[max(at - 1, 0) : at].isalnum() or text[at + 1 : at + 2].isalnum())
    return sign.isalpha() and alone and sign not in "aiI"


def _skip(text: str, at: int, step: int) -> int:
    """To the first that is no space."""
    while 0 <= at < len(text) and text[at] == " ":
        at += step
    return at


def _is_bullet(text: str, start: int, stop: int) -> bool:
    before = text[:start].rstrip(" ") if start < 20 else text[start - 20 : start].rstrip(" ")
    return text[stop : stop + 1] == " " and (not before or before.endswith("\n"))
