"""`roadworthy cache …`: what each command asks the server, and its exit code."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from roadworthy.edges.cli.operator_client import OperatorClient
from roadworthy.edges.cli.operator_command import DONE, print_answer


async def clear_cache(client: OperatorClient, order: Mapping[str, Any], as_json: bool) -> int:
    answer = await client.post("/v1/operator/cache/clear", order)
    print_answer(answer, as_json, _cleared)
    return DONE


def _cleared(answer: Mapping[str, Any]) -> Sequence[str]:
    which = answer["cleared"]
    if which == "all":
        return ["forgot all kept replies"]
    return [f"forgot the kept replies of {', '.join(f'{name} {value}' for name, value in which.items())}"]
