"""What the store and its readers can hold: text that is text, JSON of a bounded size and depth."""

from __future__ import annotations

from typing import Any, cast

from roadworthy.domain.errors import NotKeepable

MOST_BYTES = 16 * 1024 * 1024
MOST_DEPTH = 100
MOST_REASON_CHARACTERS = 4000
MOST_FOREIGN_CHARACTERS = 1000
"""Of the message of an error that is not ours."""


def check_keepable(what: str, *parts: bytes) -> None:
    """NotKeepable for JSON that is larger than 16 MiB or nested deeper than 100 levels."""
    if sum(map(len, parts)) > MOST_BYTES:
        raise NotKeepable(f"{what} is larger than {MOST_BYTES // 1024 // 1024} MiB; keep large things elsewhere")
    if any(is_too_deep(part) for part in parts):
        raise NotKeepable(f"{what} is nested deeper than {MOST_DEPTH} levels; return something flatter")


def is_too_deep(json: bytes) -> bool:
    """Whether JSON is nested deeper than 100 levels: others wrap it in levels of their own before it is sent."""
    if json.count(b"[") + json.count(b"{") <= MOST_DEPTH:
        return False
    depth, in_text, escaped = 0, False, False
    for byte in json:
        if escaped:
            escaped = False
        elif in_text:
            escaped = byte == 0x5C
            in_text = byte != 0x22
        elif byte == 0x22:
            in_text = True
        elif byte in b"[{":
            depth += 1
            if depth > MOST_DEPTH:
                return True
        elif byte in b"]}":
            depth -= 1
    return False


def foreign_words(error: BaseException) -> str:
    """The message of an error that is not ours, cut at 1,000 characters."""
    return in_words(error, MOST_FOREIGN_CHARACTERS)


def in_words(error: BaseException, most: int = MOST_REASON_CHARACTERS) -> str:
    """An error's message as text that can be stored and shown, whatever its class does; cut at `most` characters."""
    try:
        text = str(error)
    except Exception:
        text = "(its message can't be read)"
    text = text.encode("utf-8", "replace").decode().replace("\0", "?")
    if len(text) > most:
        text = f"{text[:most]}… ({len(text):,} characters in all)"
    return text


def with_whole_characters(value: Any) -> Any:
    """JSON types with a `?` for each half of a character (a lone surrogate: of a file name, or of JSON that was cut),
    which no store, provider or reader takes."""
    match value:
        case str():
            return value.encode("utf-8", "replace").decode()
        case dict():
            fields = cast(dict[Any, Any], value)
            return {with_whole_characters(name): with_whole_characters(each) for name, each in fields.items()}
        case list() | tuple():
            return [with_whole_characters(each) for each in cast(list[Any], value)]
        case _:
            return value
