"""Generated content: text of a wanted length and arguments that fit a JSON schema, the same for the same bits."""

from __future__ import annotations

import re
from typing import Any

from roadworthy.testing.simulated_provider.json_values import JsonObject, as_list, as_number, as_object

_WORDS = re.findall(
    r"\w+",
    "the road goes on past fields and towns while drivers check every light before they turn and each crossing "
    "has its own rules so we slow down look both ways then move again with care because a safe journey needs good "
    "brakes clear mirrors enough fuel calm hands one map some patience plus rest",
)
_MASK = (1 << 64) - 1
_TOKEN = re.compile(r"\S+\s*|\s+")
_DEEP = 4
_DEEPEST = 12
_FORMATS = {
    "date": "2025-01-15",
    "date-time": "2025-01-15T12:00:00Z",
    "time": "12:00:00Z",
    "duration": "PT1H",
    "email": "driver@example.com",
    "uri": "http://example.com/",
    "uuid": "00000000-0000-4000-8000-000000000000",
    "ipv4": "127.0.0.1",
}


def generate_tokens(bits: int, count: int) -> list[str]:
    """`count` words, each with the blank that follows it."""
    state, words, total = bits, _WORDS, len(_WORDS)
    tokens: list[str] = []
    for _ in range(count):
        state = (state * 6364136223846793005 + 1442695040888963407) & _MASK
        tokens.append(words[(state >> 33) % total] + " ")
    return tokens


def split_tokens(text: str) -> list[str]:
    """The text in words with their blanks; joined they are the text."""
    return _TOKEN.findall(text)


def generate_value(schema: JsonObject, bits: int) -> Any:
    """A value that fits the schema: what is required and no more; the bits choose words and numbers.

    Covers types, enum, const, $ref, anyOf, oneOf, allOf, formats, bounds and sizes; not pattern, not, if.
    """
    return _Generator(schema, bits).value(schema, 0)


class _Generator:
    def __init__(self, root: JsonObject, bits: int) -> None:
        self._root = root
        self._state = bits

    def value(self, schema: JsonObject, depth: int) -> Any:
        schema = self._resolved(schema)
        if depth > _DEEPEST:
            return None
        if "const" in schema:
            return schema["const"]
        if options := as_list(schema.get("enum")):
            return options[self._below(len(options))]
        for key in ("anyOf", "oneOf"):
            if choices := as_list(schema.get(key)):
                return self.value(_chosen(choices, depth), depth + 1)
        kind = schema.get("type")
        if kinds := as_list(kind):
            kind = next((name for name in kinds if name != "null"), "null")
        match kind:
            case "string":
                return self._text(schema)
            case "integer":
                return int(self._number(schema, whole=True))
            case "number":
                return self._number(schema, whole=False)
            case "boolean":
                return bool(self._below(2))
            case "array":
                count = int(as_number(schema.get("minItems")) or (depth < _DEEP))
                items = as_object(schema.get("items")) or {"type": "string"}
                return [self.value(items, depth + 1) for _ in range(min(count, 100))]
            case "null":
                return None
            case _:
                return self._object(schema, depth)

    def _object(self, schema: JsonObject, depth: int) -> JsonObject:
        properties = as_object(schema.get("properties")) or {}
        required = as_list(schema.get("required")) or []
        return {str(name): self.value(as_object(properties.get(name)) or {}, depth + 1) for name in required}

    def _text(self, schema: JsonObject) -> str:
        if (text := _FORMATS.get(str(schema.get("format")))) is not None:
            return text
        text = _WORDS[self._below(len(_WORDS))]
        shortest, longest = as_number(schema.get("minLength")) or 0, as_number(schema.get("maxLength"))
        while len(text) < min(shortest, 100_000):
            text += " " + _WORDS[self._below(len(_WORDS))]
        return text if longest is None else text[: int(longest)]

    def _number(self, schema: JsonObject, whole: bool) -> float:
        step = 1.0 if whole else 0.5
        low = as_number(schema.get("minimum"))
        if low is None and (above := as_number(schema.get("exclusiveMinimum"))) is not None:
            low = above + step
        high = as_number(schema.get("maximum"))
        if high is None and (below := as_number(schema.get("exclusiveMaximum"))) is not None:
            high = below - step
        if low is None:
            low = 1.0 if high is None or high >= 1 else high
        value = low + self._below(10)
        value = value if high is None else min(value, high)
        if multiple := as_number(schema.get("multipleOf")):
            value -= value % multiple
        return value

    def _resolved(self, schema: JsonObject) -> JsonObject:
        for _ in range(_DEEPEST):
            reference = schema.get("$ref")
            if isinstance(reference, str) and reference.startswith("#"):
                target: object = self._root
                for name in reference.split("/")[1:]:
                    target = (as_object(target) or {}).get(name)
                schema = as_object(target) or {}
            elif parts := as_list(schema.get("allOf")):
                merged = {key: value for key, value in schema.items() if key != "allOf"}
                for part in parts:
                    merged = _merged(merged, self._resolved(as_object(part) or {}))
                schema = merged
            else:
                break
        return schema

    def _below(self, limit: int) -> int:
        self._state = (self._state * 6364136223846793005 + 1442695040888963407) & _MASK
        return (self._state >> 33) % limit


def _chosen(choices: list[Any], depth: int) -> JsonObject:
    known = [choice for choice in map(as_object, choices) if choice is not None]
    null = any(choice.get("type") == "null" for choice in known)
    something = next((choice for choice in known if choice.get("type") != "null"), None)
    # What holds itself (a tree with an optional parent) must end somewhere.
    return {"type": "null"} if something is None or (null and depth >= _DEEP) else something


def _merged(first: JsonObject, second: JsonObject) -> JsonObject:
    both = {**first, **second}
    if "properties" in first and "properties" in second:
        both["properties"] = {**first["properties"], **second["properties"]}
    if "required" in first and "required" in second:
        both["required"] = [*first["required"], *second["required"]]
    return both
