"""Takes secrets out of what is kept, shown or logged."""

from __future__ import annotations

import json
import re
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar, cast
from urllib.parse import quote, quote_plus

import orjson

REDACTED = "[redacted]"
LEAST_CHARACTERS = 8
"""Of a secret: a shorter one would take too much else with it."""
_JSON_WITHIN_JSON = 3
"""Levels of text within text in which a secret is still found."""
_Data = bytes
"""The type's name is a method's, too."""
T = TypeVar("T", str, bytes)


class Redactor:
    """Puts `[redacted]` in the place of each secret: as it is, escaped in JSON (also in JSON within JSON), in a URL,
    and in Base64, also where only a part of what was encoded is secret. In any other disguise it is not found.

    Secrets of fewer than 8 characters are left alone.
    """

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        forms = {form for secret in secrets if len(secret) >= LEAST_CHARACTERS for form in _forms(secret)}
        # The longest first: a secret may be a part of another one.
        self._texts = sorted(forms, key=lambda form: (-len(form), form))
        self._raw = [form.encode("utf-8", "surrogatepass") for form in self._texts]
        self._text_pattern = re.compile("|".join(map(re.escape, self._texts)))
        self._raw_pattern = re.compile(b"|".join(map(re.escape, self._raw)))
        self._first = frozenset(form[0] for form in self._texts)

    @property
    def knows_any(self) -> bool:
        return bool(self._texts)

    def text(self, text: str) -> str:
        return self._text_pattern.sub(REDACTED, text) if _has_any(self._texts, text) else text

    def bytes(self, data: _Data) -> _Data:
        """The same object where there is no secret in it. What was JSON may be none afterwards: see `json`."""
        return self._raw_pattern.sub(REDACTED.encode(), data) if _has_any(self._raw, data) else data

    def json(self, data: _Data) -> _Data:
        """As `bytes`, of JSON, which it stays: a number that is a secret becomes text."""
        if not _has_any(self._raw, data):
            return data
        try:
            return orjson.dumps(self.value(orjson.loads(data)))
        except (RecursionError, orjson.JSONDecodeError):
            return self.bytes(data)

    def value(self, value: Any) -> Any:
        """As `text`, within lists, tuples and dicts and in their keys; a number that is a secret becomes text."""
        return self._without(value) if self._texts else value

    def held_back(self, text: str) -> int:
        """How many characters at the end of the text may be the beginning of a secret."""
        longest = len(self._texts[0]) - 1 if self._texts else 0
        for place in range(max(len(text) - longest, 0), len(text)):
            if text[place] in self._first:
                end = text[place:]
                if any(form.startswith(end) and form != end for form in self._texts):
                    return len(end)
        return 0

    def settled(self, text: str) -> tuple[str, str]:
        """Of text that goes on: what can be shown of it whatever follows, without secrets, and the end that must be
        looked at again with what follows: a secret, or a longer one, may begin there."""
        shown, place = "", 0
        if not _has_any(self._texts, text):
            end = len(text) - self.held_back(text)
            return text[:end], text[end:]
        while True:
            end = len(text) - self.held_back(text[place:])
            secret = self._text_pattern.search(text, place)
            if secret is None or secret.start() >= end:
                return shown + text[place:end], text[end:]
            shown += text[place : secret.start()] + REDACTED
            place = secret.end()

    def _without(self, value: Any) -> Any:
        match value:
            case str():
                return self.text(value)
            case bytes():
                return self.bytes(value)
            case dict():
                fields = cast(dict[Any, Any], value)
                return {self._without(name): self._without(each) for name, each in fields.items()}
            case list():
                return [self._without(each) for each in cast(list[Any], value)]
            case tuple():
                return tuple(self._without(each) for each in cast(tuple[Any, ...], value))
            case bool():
                return value
            case int() | float():
                text = repr(value)
                return value if self.text(text) is text else REDACTED
            case _:
                return value


class RedactedText:
    """Text that comes piece by piece: what may be the beginning of a secret waits for the next piece."""

    def __init__(self, redactor: Redactor) -> None:
        self._redactor = redactor
        self._held = ""

    def add(self, piece: str) -> str:
        """What can be shown now."""
        shown, self._held = self._redactor.settled(self._held + piece)
        return shown

    def rest(self) -> str:
        """What was held back, once nothing follows it."""
        text, self._held = self._held, ""
        return self._redactor.text(text)


def _has_any(forms: list[T], text: T) -> bool:
    # A fifth of the time of one pattern: searching for one word is what the interpreter does fastest.
    for form in forms:  # noqa: SIM110
        if form in text:
            return True
    return False


def _forms(secret: str) -> Iterator[str]:
    forms, last = {secret}, {secret}
    for _ in range(_JSON_WITHIN_JSON):
        last = {escape(form) for form in last for escape in _ESCAPES} - forms
        forms |= last
    yield from forms
    for in_url in (
        quote(secret, safe="", errors="replace"),
        quote(secret, errors="replace"),
        quote_plus(secret, errors="replace"),
    ):
        yield in_url
        yield re.sub("%..", lambda code: code[0].lower(), in_url)
    data = secret.encode("utf-8", "surrogatepass")
    for encode in (b64encode, urlsafe_b64encode):
        for before in range(3):
            yield _in_base64(data, before, encode)


def _in_base64(data: bytes, before: int, encode: Callable[[bytes], bytes]) -> str:
    """What Base64 makes of data that begins as the first, second or third byte of a group, whatever stands before and
    behind it: without the characters that are made of both."""
    encoded = encode(bytes(before) + data).decode()
    return encoded[(0, 2, 3)[before] : (before + len(data)) * 8 // 6]


def _as_utf8(text: str) -> str:
    return orjson.dumps(text.encode("utf-8", "replace").decode())[1:-1].decode()


def _as_ascii(text: str) -> str:
    return json.dumps(text)[1:-1]


def _with_slashes(text: str) -> str:
    return _as_ascii(text).replace("/", "\\/")


_ESCAPES = (_as_utf8, _as_ascii, _with_slashes)
