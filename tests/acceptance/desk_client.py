"""How tools under test report their calls to the desk (`tool_desk.py`)."""

from __future__ import annotations

import asyncio
import json
import os
import socket

TOOL_DESK = os.environ["ACCEPTANCE_TOOL_DESK"]


async def call(tool: str, task_id: str, item: str) -> str:
    reader, writer = await asyncio.open_unix_connection(TOOL_DESK)
    try:
        writer.write(_report(tool, task_id, item))
        return _result(tool, await reader.readline())
    finally:
        writer.close()


def call_and_block(tool: str, task_id: str, item: str) -> str:
    """Nothing else of its thread goes on before the desk answers."""
    with socket.socket(socket.AF_UNIX) as desk:
        desk.connect(TOOL_DESK)
        desk.sendall(_report(tool, task_id, item))
        return _result(tool, desk.makefile("rb").readline())


def _report(tool: str, task_id: str, item: str) -> bytes:
    return json.dumps({"tool": tool, "task_id": task_id, "item": item, "pid": os.getpid()}).encode() + b"\n"


def _result(tool: str, line: bytes) -> str:
    answer = json.loads(line or '{"raise": "the desk is gone"}')
    if "raise" in answer:
        raise RuntimeError(answer["raise"])
    return answer["result"]
