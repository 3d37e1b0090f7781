"""The world outside: a model's provider and the tools' effects, counted where no crash forgets them."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass
from random import Random
from typing import Protocol

from roadworthy import Done, NotDone, StartedCall, current_call

from .trace import Trace

EFFECTS = {"look": "read", "put": "idempotent", "pay": "once", "send": "once", "sell": "once"}
"""What each tool may do to the world. Whether something was sent can be looked up; selling has to be allowed."""
TOOL_SECONDS = 6.0
"""The time limit of each call."""
INPUT_TOKENS, INPUT_PRICE = 3, 100
"""Of each call, and micro-dollars a token."""
PIECE_TOKENS, OUTPUT_PRICE = 20, 1000
MOST_TOKENS = 140
_WORDS = ("one", "zwei", "trois", "quattro", "пять", "six ", "\n", "🚚")


class Watcher(Protocol):
    """Told before anything is done outside."""

    def model_called(self, token: str, step: int) -> None: ...

    def billed(self, token: str, step: int, cost: int) -> None: ...

    def tool_called(self, token: str, step: int, tool: str, call_id: str, key: str, note: str) -> None: ...

    def reconcile_asked(self, call: StartedCall) -> None: ...

    def reconciled(self, call: StartedCall, happened: bool) -> None: ...


class ProviderError(Exception):
    def __init__(self, status_code: int, retry_after: float | None = None) -> None:
        super().__init__(f"the simulated provider says {status_code}")
        self.status_code = status_code
        self.headers = {} if retry_after is None else {"retry-after": str(retry_after)}


class ToolBroken(Exception):
    """The tool's own error."""


@dataclass(frozen=True, slots=True)
class Script:
    """What a task's agent does: the tools of each step, all at the same time, then one last answer."""

    token: str
    steps: list[list[str]]

    @classmethod
    def of(cls, message: str) -> Script:
        return cls(**json.loads(message))

    def calls(self, step: int) -> list[tuple[str, str]]:
        """(tool, call id) of each call of the step, counted from 1; none in the last one."""
        if step > len(self.steps):
            return []
        counted: Counter[str] = Counter()
        calls: list[tuple[str, str]] = []
        for tool in self.steps[step - 1]:
            counted[tool] += 1
            calls.append((tool, f"{tool}#{counted[tool]}"))
        return calls


class Outside:
    def __init__(self, chance: Random, trace: Trace, watcher: Watcher) -> None:
        self.failing_models = 0.0
        self.failing_tools = 0.0
        self.effects: Counter[str] = Counter()
        """How often what has the key happened."""
        self._chance = chance
        self._trace = trace
        self._watcher = watcher
        self._replies = 0

    async def model(self, token: str, step: int, most: int = MOST_TOKENS, bills: bool = True) -> AsyncIterator[str]:
        """Pieces of a reply of at most so many tokens; no two replies are the same."""
        self._watcher.model_called(token, step)
        self._trace.add("model call", step, "of", token)
        self._trace.count("model calls")
        await self._some_time(0.3)
        fails = self._chance.random() < self.failing_models
        breaks_after = self._chance.choice((0, 0, 1, 2)) if fails else 99
        self._replies += 1
        serial = self._replies
        wanted = self._chance.choice((1, 1, 2, 4, 7))
        for place in range(min(wanted, most // PIECE_TOKENS)):
            if place >= breaks_after:
                break
            if bills:
                self._watcher.billed(token, step, _price(PIECE_TOKENS, 0 if place else INPUT_TOKENS))
            yield f"{serial}:{self._chance.choice(_WORDS)} "
            await self._some_time(0.2)
        if fails:
            self._trace.count("model failures")
            await self._fail(token, step)

    async def tool(self, token: str, step: int, tool: str, call_id: str, note: str = "") -> str:
        key = current_call().idempotency_key
        self._watcher.tool_called(token, step, tool, call_id, key, note)
        self._trace.add("tool call", tool, "in step", step, "of", token)
        self._trace.count("tool calls")
        fails = self._chance.random() < self.failing_tools
        happens = not fails or self._chance.random() < 0.5
        # At once: a process that stands still inside the call acts late, which nobody but the callee can prevent.
        self.effects[key] += happens
        await self._some_time(0.3)
        if fails:
            kind = self._chance.choice(("raises", "connection", "hangs", "hangs" if happens else "says so"))
            self._trace.count("tool failures")
            self._trace.add("the tool", kind, "after its effect" if happens else "before its effect")
            if kind == "hangs":
                await asyncio.sleep(10_000)
            if kind == "says so":
                raise NotDone("the door was closed")
            raise ToolBroken("out of paper") if kind == "raises" else ConnectionError("the printer is away")
        await self._some_time(0.2)
        return f"{call_id} done {self.effects[key]}"

    async def look_up(self, call: StartedCall) -> Done | NotDone | None:
        """Whether what the key stands for has happened, as far as the service says so."""
        self._watcher.reconcile_asked(call)
        self._trace.count("lookups")
        happened = self.effects[call.idempotency_key] > 0
        await self._some_time(0.3)
        if self._chance.random() < self.failing_tools:
            match self._chance.choice(("nobody knows", "raises", "hangs")):
                case "raises":
                    raise ToolBroken("the books are locked")
                case "hangs":
                    await asyncio.sleep(10_000)
                case _:
                    return None
        self._watcher.reconciled(call, happened)
        return Done("it was sent") if happened else NotDone("nothing was sent")

    async def _fail(self, token: str, step: int) -> None:
        kind = self._chance.choice(("429", "429 later", "500", "529", "400", "connection", "timeout", "hangs", "hangs"))
        self._trace.add("the model call", step, "of", token, "fails:", kind)
        match kind:
            case "connection":
                raise ConnectionResetError("the provider hung up")
            case "timeout":
                raise TimeoutError("the provider is slow")
            case "hangs":
                await asyncio.sleep(10_000)
            case "429 later":
                raise ProviderError(429, retry_after=3)
            case _:
                raise ProviderError(int(kind))

    async def _some_time(self, seconds: float) -> None:
        draw = self._chance.random()
        await asyncio.sleep(seconds * draw if draw < 0.95 else seconds * 10 * draw)


def _price(output_tokens: int, input_tokens: int) -> int:
    return output_tokens * OUTPUT_PRICE + input_tokens * INPUT_PRICE
