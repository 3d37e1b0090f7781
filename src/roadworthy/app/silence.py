"""How long a worker has been silent, seen by a supervisor that may have stood still itself."""

from __future__ import annotations


class Silence:
    """Ask `look` regularly. After a pause of our own everybody gets the whole time once more: what workers said
    meanwhile was not read yet, and they may have been stopped together with us."""

    def __init__(self, silent_seconds: float, now: float) -> None:
        self._silent_seconds = silent_seconds
        self._looked_at = self._resumed_at = now

    def look(self, now: float) -> None:
        if now - self._looked_at > self._silent_seconds / 2:
            self._resumed_at = now
        self._looked_at = now

    def seconds(self, now: float, heard_at: float) -> float:
        """For how long somebody has been silent who was last heard at that moment."""
        return now - max(heard_at, self._resumed_at)
