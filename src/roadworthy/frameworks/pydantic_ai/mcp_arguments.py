"""Holds arguments to the schema that an MCP server gave for its tool, before the server is asked."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from typing import Any

Check = Callable[[dict[str, Any]], str | None]
"""What is wrong with arguments, in words; None where nothing is."""
_MOST_WORDS = 500

if "pydantic_ai.mcp" in sys.modules:
    # Comes with the client of MCP, not without it; later it would hold up the event loop for a tenth of a second.
    importlib.import_module("jsonschema")


def check_of(schema: dict[str, Any]) -> Check:
    """Passes everything where the schema is none that can be used: then the server says what is wrong."""
    jsonschema: Any = importlib.import_module("jsonschema")
    referencing: Any = importlib.import_module("referencing")
    kind = jsonschema.validators.validator_for(schema)
    try:
        kind.check_schema(schema)
    except jsonschema.SchemaError:
        return lambda _: None
    # Without a registry of ours it would fetch what the schema refers to, from wherever that is.
    validator = kind(schema, registry=referencing.Registry())

    def check(arguments: dict[str, Any]) -> str | None:
        try:
            error = jsonschema.exceptions.best_match(validator.iter_errors(arguments))
        except Exception:
            # A reference that leads nowhere.
            return None
        if error is None:
            return None
        where = ".".join(str(each) for each in error.absolute_path) or "the arguments"
        return f"{where}: {error.message[:_MOST_WORDS]}"

    return check
