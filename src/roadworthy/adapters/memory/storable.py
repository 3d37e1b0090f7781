"""What a real database would refuse, refused here too."""

import json
from typing import Any, cast


def check_text(text: str) -> None:
    """ValueError for text that PostgreSQL can't hold."""
    if "\0" in text:
        raise ValueError("text with a NUL character can't be stored")
    text.encode()


def json_object(data: bytes) -> dict[str, Any]:
    """The JSON object in `data`; ValueError if it is none."""
    value: object = json.loads(data)
    if not isinstance(value, dict):
        raise ValueError("it is not a JSON object")
    return cast(dict[str, Any], value)
