"""Who makes a call: the task's own agent, or an agent that it runs in turn."""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

from roadworthy.domain.effect import StartedCall


class Scope:
    """One run of one agent: it counts its own steps, and its entries have its place before their names."""

    def __init__(self, within: str = "") -> None:
        self.within = within
        """Empty for the task's own agent; else the journal name of the call that runs this one, and which of its runs
        this is: `t3:call_abc/a1`, or `a1` outside any call."""
        self.steps = 0
        self._chain = 0

    def name(self, own: str) -> str:
        """The journal name of an entry that this scope calls `own`."""
        return f"{self.within}/{own}" if self.within else own

    @property
    def detail(self) -> Mapping[str, Any]:
        """What each of its entries says of it."""
        return {"within": self.within} if self.within else {}

    def chain(self) -> str:
        """A hash over everything that was done before now, in whatever order calls at the same time came back."""
        return f"{self._chain:016x}"

    def link(self, name: str, payload: bytes) -> None:
        """Make an entry part of the chain."""
        digest = blake2b(name.encode(), digest_size=8)
        digest.update(payload)
        self._chain ^= int.from_bytes(digest.digest())


@dataclass(slots=True)
class Surroundings:
    """What the present code runs in: agents that it runs belong there."""

    gate: Any
    """The gate of the task's own agent, or of the one whose tool this is (`core/execution/gate.py`)."""
    call: str = ""
    """The journal name of the tool call; empty in the agent's own code."""
    runs: int = 0
    started: StartedCall | None = None
    """The tool call; None in the agent's own code."""
    first_request: bytes = b""
    """A digest of the first unsafe HTTP request of the tool call: that one has the call's own idempotency key."""

    def inner(self) -> Scope:
        """Of the next agent that is run here. A tool that is tried again begins at the first one, so that what its
        agents have done before is answered from the journal."""
        self.runs += 1
        run = f"a{self.runs}"
        return Scope(f"{self.call}/{run}" if self.call else run)


surroundings: ContextVar[Surroundings | None] = ContextVar("roadworthy_surroundings", default=None)
