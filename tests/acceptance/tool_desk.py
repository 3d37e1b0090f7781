"""Where the tools under test report each call: outside the workers, so that a killed one takes no count with it."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .watched import Watched


@dataclass(frozen=True, slots=True)
class ToolCalled:
    tool: str
    task_id: str
    item: str
    pid: int
    at: float = field(default_factory=time.time, compare=False)
    """When the desk heard of it, in seconds since 1970."""


class ToolDesk(Watched):
    """Counts every call and decides when, and with what, it comes back."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[ToolCalled] = []
        self.failing: set[str] = set()
        """Tools that raise."""
        self.seconds = 0.0
        """How long each call takes."""
        self._held: set[str] = set()
        self._answering: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def start(self, path: Path) -> None:
        self._server = await asyncio.start_unix_server(self._answer, path)

    async def stop(self) -> None:
        self.release()
        if self._server is not None:
            self._server.close()
        for answering in self._answering:
            answering.cancel()
        await asyncio.gather(*self._answering, return_exceptions=True)

    def hold(self, *tools: str) -> None:
        """Calls of these tools do not come back until they are released."""
        self._held.update(tools)

    def release(self) -> None:
        self._held.clear()
        self.changed()

    async def until_called(self, tool: str, times: int = 1) -> ToolCalled:
        """The call of that number."""
        calls = await self.until(
            lambda: [call for call in self.calls if call.tool == tool][times - 1 :], f"{tool} is called {times} times"
        )
        return calls[0]

    def counts(self, tools: Iterable[str] = ()) -> dict[str, int]:
        counted = Counter(call.tool for call in self.calls)
        return dict(counted) if not tools else {tool: counted[tool] for tool in tools}

    def present_state(self) -> str:
        return f"calls so far: {self.calls}"

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        this = asyncio.current_task()
        assert this is not None
        self._answering.add(this)
        try:
            call = ToolCalled(**json.loads(await reader.readline()))
            self.calls.append(call)
            self.changed()
            await asyncio.sleep(self.seconds)
            gone = asyncio.create_task(reader.read())
            back = asyncio.create_task(self.until(lambda: call.tool not in self._held, f"{call} comes back", 100))
            await asyncio.wait({gone, back}, return_when=asyncio.FIRST_COMPLETED)
            for waiting in (gone, back):
                waiting.cancel()
            answer: dict[str, Any] = {"result": f"{call.tool} of {call.item} is done"}
            if call.tool in self.failing:
                answer = {"raise": f"{call.tool} is broken"}
            writer.write(json.dumps(answer).encode() + b"\n")
            await writer.drain()
        except ConnectionError:
            return
        finally:
            writer.close()
            self._answering.discard(this)
