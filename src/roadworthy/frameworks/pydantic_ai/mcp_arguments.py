"""Holds arguments to the schema that an MCP server gave for its tool, before the server is asked.

A schema is a stranger's program for whoever checks with it: references and `allOf` can double the work at every level.
So the work is counted, and what can take long in one step is not checked at all. The server checks again anyway.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator, Sized
from contextvars import ContextVar
from functools import cache
from typing import Any

import orjson

Check = Callable[[dict[str, Any]], str | None]
"""What is wrong with arguments, in words; None where nothing is."""
MOST_STEPS = 10_000
"""Of one check, on which the event loop waits: less than a tenth of a second."""
_MOST_OF_A_SCHEMA = 40_000
"""Once for each schema, to see whether it is one: up to a hundred for each property."""
_MOST_WORDS = 500
_NOT_CHECKED = frozenset(
    {"pattern", "patternProperties", "uniqueItems", "unevaluatedItems", "unevaluatedProperties", "format"}
)
_BYTES_A_STEP = 1000
"""Of arguments that an error quotes."""

if "pydantic_ai.mcp" in sys.modules:
    # Comes with the client of MCP, not without it; later it would hold up the event loop for a tenth of a second.
    importlib.import_module("jsonschema")


class _TooMuchWork(Exception):
    """Neither right nor wrong."""


class _Steps:
    def __init__(self, most: int, arguments: Any) -> None:
        self.left = most
        self.of_an_error = 1 + len(orjson.dumps(arguments, default=repr)) // _BYTES_A_STEP

    def take(self, count: int) -> None:
        self.left -= count
        if self.left < 0:
            raise _TooMuchWork


_steps: ContextVar[_Steps] = ContextVar("steps")


def check_of(schema: dict[str, Any]) -> Check:
    """Passes everything where the schema is none that can be used, or takes too much work: then the server says what is
    wrong."""
    jsonschema: Any = importlib.import_module("jsonschema")
    referencing: Any = importlib.import_module("referencing.jsonschema")
    specifications: Any = importlib.import_module("jsonschema_specifications")
    kind = jsonschema.validators.validator_for(schema)
    counting = _counting(kind)
    try:
        _steps.set(_Steps(_MOST_OF_A_SCHEMA, schema))
        if next(counting(kind.META_SCHEMA, registry=specifications.REGISTRY).iter_errors(schema), None) is not None:
            return lambda _: None
        specification = referencing.specification_with(counting.META_SCHEMA["$schema"])
        root = specification.create_resource(schema)
        # Without a registry of ours it would fetch what the schema refers to, from wherever that is. Looked through
        # now, it is not at every reference.
        registry = referencing.EMPTY_REGISTRY.with_resource(root.id() or "", root).crawl()
        validator = counting(schema, registry=registry, _resolver=registry.resolver(root.id() or ""))
    except Exception:
        return lambda _: None

    def check(arguments: dict[str, Any]) -> str | None:
        try:
            _steps.set(_Steps(MOST_STEPS, arguments))
            error = jsonschema.exceptions.best_match(validator.iter_errors(arguments))
        except Exception:
            # Too much work, or a reference that leads nowhere.
            return None
        if error is None:
            return None
        where = ".".join(str(each) for each in error.absolute_path) or "the arguments"
        return f"{where}: {error.message[:_MOST_WORDS]}"

    return check


@cache
def _counting(kind: Any) -> Any:
    """The same kind of schema, without what is not checked, and ending in _TooMuchWork."""
    validators: Any = importlib.import_module("jsonschema").validators
    keywords = {name: _skipped if name in _NOT_CHECKED else _counted(name, of) for name, of in kind.VALIDATORS.items()}
    counting = validators.extend(kind, validators=keywords)
    evolve = counting.evolve

    def evolve_as_counting(self: Any, **changes: Any) -> Any:
        # A part that names a kind of schema would be checked as that kind, uncounted.
        match changes.get("schema"):
            case {"$schema": _, **rest}:
                changes["schema"] = rest
            case _:
                pass
        return evolve(self, **changes)

    counting.evolve = evolve_as_counting
    return counting


def _skipped(validator: Any, value: Any, instance: Any, schema: Any) -> None:
    return None


def _counted(name: str, keyword: Callable[..., Any]) -> Callable[..., Any]:
    def check(validator: Any, value: Any, instance: Any, schema: Any) -> Iterator[Any]:
        if name == "additionalProperties" and "patternProperties" in schema:
            return
        steps = _steps.get()
        parts = 0 if isinstance(instance, str) else _length(instance)
        steps.take(1 + parts + (_length(value) * (1 + parts) if name in ("enum", "const") else _length(value)) // 8)
        for error in keyword(validator, value, instance, schema) or ():
            steps.take(steps.of_an_error)
            yield error

    return check


def _length(value: Any) -> int:
    return len(value) if isinstance(value, Sized) else 0
