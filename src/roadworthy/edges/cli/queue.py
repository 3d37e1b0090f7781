"""`roadworthy queue`: what waits where, and tasks that go to another version."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any
from urllib.parse import quote

import orjson

from roadworthy.core.insight.upkeep_watch import START_IT
from roadworthy.domain.lane import nobody_serves, way_out
from roadworthy.edges.cli.chat_client import Refused, ServerDown
from roadworthy.edges.cli.operator_client import OperatorClient, is_address
from roadworthy.edges.cli.table import columns

DONE, FAILED, UNDECIDED = 0, 1, 2
_COLUMNS = ("LANE", "QUEUED", "PAUSED", "RUNNING", "UNDECIDED", "PARKED", "OLDEST", "WORKERS")
_NOT_THERE, _CANNOT_BE_MEANT = 404, 422


def show_queue(url: str, as_json: bool) -> int:
    """The exit code."""

    async def show(client: OperatorClient) -> None:
        answer = await client.get("/v1/operator/queue")
        _print([orjson.dumps(answer).decode()] if as_json else queue_lines(answer))

    return _carried_out(url, show)


def move_tasks(url: str, lane: str, to: str, parked: bool, as_json: bool) -> int:
    """The exit code. Goes on until nothing is left to move; what was moved stays moved if that breaks off."""

    async def move(client: OperatorClient) -> None:
        path, order = f"/v1/operator/lanes/{quote(lane, safe='@')}/move", {"to": to, "parked": parked}
        answer = await client.post(path, order)
        moved = answer["moved"]
        while answer["more"]:
            print(f"moved {moved}", file=sys.stderr)
            try:
                answer = await client.post(path, order)
            except Refused as error:
                if error.status != _NOT_THERE:
                    raise
                break  # the lane went with its last task
            moved += answer["moved"]
        if as_json:
            _print([orjson.dumps({**answer, "moved": moved}).decode()])
        else:
            notice = [f"Mind: {answer['notice']}"] if answer["notice"] else []
            _print([f"{_tasks(moved)} of {lane} went to {answer['to']}", *notice])

    return _carried_out(url, move)


def queue_lines(answer: Mapping[str, Any]) -> list[str]:
    """A table, and what to do about an upkeep that is missing and lanes that nobody serves."""
    lanes: Sequence[Mapping[str, Any]] = answer["lanes"]
    upkeep = answer["upkeep"]
    alarms = [f"no upkeep has run for {upkeep['last_run_seconds']:.0f} s: {START_IT}"] if upkeep["missing"] else []
    if not lanes:
        return ["nothing is queued, running or waiting, and no worker is there", *alarms]
    rows = [
        (
            lane["lane"],
            lane["queued"],
            lane["paused"],
            lane["running"],
            lane["undecided"],
            lane["parked"],
            f"{lane['oldest_seconds']:.0f} s",
            lane["workers"],
        )
        for lane in lanes
    ]
    served = [lane["lane"] for lane in lanes if lane["workers"]]
    return [
        *columns([_COLUMNS, *rows], right=range(1, len(_COLUMNS))),
        *alarms,
        *(f"{nobody_serves(lane['lane'])}; {way_out(lane['lane'], served)}" for lane in lanes if lane["stranded"]),
        *_waiting(lanes),
    ]


def _waiting(lanes: Sequence[Mapping[str, Any]]) -> list[str]:
    """What somebody has to do about tasks that nothing moves by itself."""
    undecided = sum(lane["undecided"] for lane in lanes)
    lines = [f"{_waits(undecided)} for somebody to decide: roadworthy decide"] if undecided else []
    for lane in lanes:
        if lane["parked"]:
            name = lane["lane"]
            lines.append(
                f"{_waits(lane['parked'], f' of {name}')} for other code: "
                f"roadworthy queue move {name} --to VERSION --parked"
            )
    return lines


def _waits(count: int, of: str = "") -> str:
    return f"{_tasks(count)}{of} {'waits' if count == 1 else 'wait'}"


def _tasks(count: int) -> str:
    return "1 task" if count == 1 else f"{count} tasks"


def _print(lines: Sequence[str]) -> None:
    print("\n".join(lines))


def _carried_out(url: str, command: Callable[[OperatorClient], Awaitable[None]]) -> int:
    async def connected() -> None:
        async with OperatorClient.to(url) as client:
            await command(client)

    if not is_address(url):
        print(f"{url!r} is no address of a server; it looks like http://127.0.0.1:8080", file=sys.stderr)
        return UNDECIDED
    try:
        asyncio.run(connected())
    except ServerDown as error:
        print(f"Nothing answers at {url} ({error}). Is the server running?", file=sys.stderr)
        return FAILED
    except Refused as error:
        print(f"{error} ({error.code})", file=sys.stderr)
        return UNDECIDED if error.status == _CANNOT_BE_MEANT else FAILED
    return DONE
