"""Arguments against the schema of an MCP server's tool."""

import asyncio
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
