"""What commands for operators have in common: they ask the server, print its answer, and end with an exit code."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import orjson

from roadworthy.edges.cli.chat_client import Refused, ServerDown
from roadworthy.edges.cli.operator_client import OperatorClient, is_address
from roadworthy.edges.cli.steering import without_steering

DONE, FAILED, UNDECIDED = 0, 1, 2
_CANNOT_BE_MEANT = 422


class UsageWrong(Exception):
    """The command was not given what it needs; the message says what."""


def tell_refusal(error: Refused) -> None:
    print(printable(f"{error} ({error.code})"), file=sys.stderr)


def run(
    url: str,
    command: Callable[[OperatorClient], Awaitable[int]],
    as_json: bool,
    tell: Callable[[Refused], None] = tell_refusal,
) -> int:
    """Carry the command out against the server; its exit code."""

    async def connected() -> int:
        async with OperatorClient.to(url) as client:
            return await command(client)

    try:
        if not is_address(url):
            raise UsageWrong(f"{url!r} is no address of a server; it looks like http://127.0.0.1:8080")
        return asyncio.run(connected())
    except UsageWrong as error:
        print(printable(str(error)), file=sys.stderr)
        return UNDECIDED
    except ServerDown as error:
        print(f"Nothing answers at {url} ({error}). Is the server running?", file=sys.stderr)
        return FAILED
    except Refused as error:
        if as_json:
            print_json(error.problem or {"code": error.code, "detail": str(error), "status": error.status})
        else:
            tell(error)
        return UNDECIDED if error.status == _CANNOT_BE_MEANT else FAILED


def print_answer(answer: dict[str, Any], as_json: bool, lines_of: Callable[[dict[str, Any]], Sequence[str]]) -> None:
    if as_json:
        print_json(answer)
    else:
        print_lines(lines_of(answer))


def print_json(answer: object) -> None:
    print(orjson.dumps(answer, option=orjson.OPT_INDENT_2).decode())


def print_lines(lines: Sequence[str]) -> None:
    for line in lines:
        print(printable(line))
    sys.stdout.flush()


def printable(text: str) -> str:
    """Without what would steer the terminal: others wrote parts of every line."""
    return without_steering(text)
