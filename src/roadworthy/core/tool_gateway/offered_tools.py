"""What servers of tools offered, kept so that a replay need not ask them again."""

from __future__ import annotations

from collections.abc import Sequence

from roadworthy.core.attempt import Attempt, Draft
from roadworthy.core.scope import Scope
from roadworthy.domain.journal import EntryKind


class OfferedTools:
    """Of one run of an agent; `server` is the place of a server among those of the agent."""

    def __init__(self, attempt: Attempt, scope: Scope) -> None:
        self._attempt = attempt
        self._scope = scope

    def replayed(self, server: int) -> bytes | None:
        """What it offered to the step that comes next, where the journal has that step's reply; None where it must be
        asked."""
        step = self._scope.steps + 1
        if not self._attempt.holds(self._scope.name(f"m{step}")):
            return None
        for before in range(step, 0, -1):
            if (entry := self._attempt.replayed(self._scope.name(f"o{before}:{server}"))) is not None:
                return entry.payload
        return None

    def keep(self, server: int, label: str, tools: Sequence[str], payload: bytes) -> None:
        """From the step that comes next on; it is written with that step's reply."""
        name, step = self._scope.name(f"o{self._scope.steps + 1}:{server}"), self._scope.steps + 1
        if not self._attempt.holds(name):
            detail = {**self._scope.detail, "step": step, "server": label, "tools": list(tools)}
            self._attempt.later(Draft(name, EntryKind.OFFERED, payload, detail))
