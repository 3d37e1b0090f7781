"""When a supervisor may start the next worker, if workers end early."""

from __future__ import annotations

FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.5, 30.0
FORGOTTEN_SECONDS = 60.0
"""After so long without a crash the next one is the first again."""


class StartBackoff:
    """No pause after the first crash, then ever longer ones."""

    def __init__(self) -> None:
        self.crashes = 0
        self._crashed_at = self._start_at = 0.0

    def crashed(self, now: float) -> float:
        """How long to wait before the next start."""
        self.crashes = self.crashes + 1 if now - self._crashed_at <= FORGOTTEN_SECONDS else 1
        self._crashed_at = now
        pause = FIRST_PAUSE_SECONDS * 2 ** (self.crashes - 2) if self.crashes > 1 else 0.0
        return self.pause(now, min(pause, LONGEST_PAUSE_SECONDS))

    def pause(self, now: float, seconds: float = LONGEST_PAUSE_SECONDS) -> float:
        self._start_at = now + seconds
        return seconds

    def may_start(self, now: float) -> bool:
        return now >= self._start_at
