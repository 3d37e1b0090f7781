"""Arguments against the schema of an MCP server's tool."""

import asyncio
import time
from typing import Any

import pytest

from roadworthy.frameworks.pydantic_ai.mcp_arguments import check_of

ORDER = {
    "type": "object",
    "properties": {"id": {"type": "integer"}, "lines": {"type": "array", "items": {"enum": ["a", "b"]}}},
    "required": ["id"],
    "additionalProperties": False,
}


@pytest.mark.parametrize(
    ("arguments", "wrong"),
    [
        ({"id": 1, "lines": ["a"]}, None),
        ({}, "the arguments: 'id' is a required property"),
        ({"id": "1"}, "id: '1' is not of type 'integer'"),
        ({"id": 1, "lines": ["a", "c"]}, "lines.1: 'c' is not one of ['a', 'b']"),
        ({"id": 1, "more": 1}, "the arguments: Additional properties are not allowed ('more' was unexpected)"),
    ],
)
def test_it_says_where_and_what_is_wrong(arguments: dict[str, Any], wrong: str | None) -> None:
    assert check_of(ORDER)(arguments) == wrong


def test_long_arguments_make_no_long_words() -> None:
    assert len(check_of(ORDER)({"id": "x" * 1_000_000}) or "") < 600


@pytest.mark.parametrize("schema", [{"type": "nonsense"}, {"properties": 5}, {"$ref": "#/nowhere"}])
def test_a_schema_that_is_none_stops_nothing(schema: dict[str, Any]) -> None:
    assert check_of(schema)({"id": 1}) is None


def chained(levels: int) -> dict[str, Any]:
    """Twice the work at each level."""
    both = {f"a{n}": {"allOf": [{"$ref": f"#/$defs/a{n + 1}"}] * 2} for n in range(levels)}
    return {"$defs": {**both, f"a{levels}": {"required": ["id"]}}, "$ref": "#/$defs/a0"}


DRAFT_7 = "http://json-schema.org/draft-07/schema#"
ROWS = [{"n": n, "all": [n]} for n in range(20_000)]


@pytest.mark.parametrize(
    ("schema", "arguments"),
    [
        (chained(100), {"x": 1}),
        ({"properties": {"x": {"pattern": "^(a+)+$"}}}, {"x": "a" * 100 + "!"}),
        ({"properties": {"x": {"$schema": DRAFT_7, "pattern": "^(a+)+$"}}}, {"x": "a" * 100 + "!"}),
        ({"patternProperties": {"^(a+)+$": {}}, "additionalProperties": False}, {"a" * 100 + "!": 1}),
        ({"propertyNames": {"pattern": "^(a+)+$"}}, {"a" * 100 + "!": 1}),
        ({"properties": {"x": {"uniqueItems": True}}}, {"x": ROWS}),
        ({"allOf": [{"properties": {"x": {"items": {}}}}] * 5000}, {"x": ROWS}),
        ({"properties": {"x": {"anyOf": [{"type": "string"}] * 5000}}}, {"x": ROWS}),
        ({"$ref": "#"}, {}),
        ({"required": [[n] for n in range(20_000)]}, {}),
        ({**chained(100), "$ref": "#/$defs/a100", "unevaluatedProperties": {"$ref": "#/$defs/a0"}}, {"id": 1}),
    ],
    ids=lambda given: next(iter(given), "") if isinstance(given, dict) else "",
)
def test_what_takes_too_much_work_is_left_to_the_server(schema: dict[str, Any], arguments: dict[str, Any]) -> None:
    began = time.thread_time()
    assert check_of(schema)(arguments) is None
    assert time.thread_time() - began < 2


@pytest.mark.parametrize(
    ("kind", "parts"), [(DRAFT_7, "definitions"), ("https://json-schema.org/draft/2020-12/schema", "$defs")]
)
def test_references_and_large_schemas_are_held_to(kind: str, parts: str) -> None:
    line = {"type": "object", "$id": "line", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    many = {f"p{n}": {"type": "string", "maxLength": 9} for n in range(100)}
    check = check_of(
        {"$schema": kind, parts: {"line": line}, "properties": {**many, "lines": {"items": {"$ref": "line"}}}}
    )
    assert check({"lines": [{"n": n} for n in range(200)], **dict.fromkeys(many, "x")}) is None
    assert check({"lines": [{"n": n} for n in range(200)] + [{}]}) == "lines.200: 'n' is a required property"
    assert check({"p50": "x" * 10}) == "p50: 'xxxxxxxxxx' is too long"


async def test_what_a_schema_refers_to_is_not_fetched() -> None:
    came = asyncio.Event()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        came.set()
        writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    check = check_of({"$ref": f"http://127.0.0.1:{port}/schema.json"})
    assert await asyncio.to_thread(check, {"id": 1}) is None
    server.close()
    await server.wait_closed()
    assert not came.is_set()
