"""What a supervised worker tells its supervisor, a line at a time."""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from typing import Any, Literal, cast
from uuid import UUID

BEAT_SECONDS = 1.0
MOST_LAST_WORDS = 2000

ReportedState = Literal["starting", "ready", "draining"]


@dataclass(frozen=True, slots=True)
class WorkerReport:
    state: ReportedState = "starting"
    running: int = 0
    workers: tuple[UUID, ...] = ()
    """The names under which the process registered, the last few."""
    from_loop: bool = True
    """Its event loop said so: proof that it comes round."""
    last_words: str = ""
    """Why it is about to end."""

    def line(self) -> bytes:
        content = {
            "state": self.state,
            "running": self.running,
            "workers": [str(worker) for worker in self.workers],
            "from_loop": self.from_loop,
            "last_words": self.last_words[:MOST_LAST_WORDS],
        }
        return json.dumps(content).encode() + b"\n"


def read_report(line: bytes) -> WorkerReport:
    """ValueError if it is none. A worker of another release may say more, or less: it was installed under our feet."""
    content = json.loads(line)
    if not isinstance(content, dict):
        raise ValueError("a report is a JSON object")
    said = cast(dict[str, Any], content)
    said["workers"] = tuple(UUID(worker) for worker in said.get("workers", ()))
    known = {field.name for field in fields(WorkerReport)}
    return WorkerReport(**{name: value for name, value in said.items() if name in known})
