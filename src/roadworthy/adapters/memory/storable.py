"""What a real database would refuse, refused here too."""

import json
from typing import Any, cast


def check_text(text: str) -> None:
    """ValueError for text that PostgreSQL can't hold."""
    if "\0" in text:
        raise ValueError("text with a NUL character can't be stored")
    text.encode()


def json_object(data: bytes) -> dict[str, Any]:
    """The JSON object in `data`; ValueError if it is none, or has text that can't be stored."""
    value: object = json.loads(data)
    if not isinstance(value, dict):
        raise ValueError("it must be a JSON object")
    _check_texts(cast(object, value))
    return cast(dict[str, Any], value)


def _check_texts(value: object) -> None:
    if isinstance(value, str):
        check_text(value)
    elif isinstance(value, dict):
        for name, member in cast(dict[str, object], value).items():
            check_text(name)
            _check_texts(member)
    elif isinstance(value, list):
        for member in cast(list[object], value):
            _check_texts(member)
