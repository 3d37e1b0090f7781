"""Deletes what the semantic cache has kept for long enough: what users asked does not stay for nobody."""

from __future__ import annotations

from dataclasses import dataclass

from roadworthy.core.upkeep.duty import BATCH, UpkeepPorts
from roadworthy.ports.duty_schedule import DutyTurn
from roadworthy.ports.similar_replies import SimilarReplies

MOST_BATCHES = 50


@dataclass(frozen=True, slots=True)
class ForgetLateReplies:
    similar_replies: SimilarReplies
    name: str = "forget_late_replies"
    every_seconds: float = 60.0

    async def run_once(self, ports: UpkeepPorts, turn: DutyTurn) -> int:
        forgotten = 0
        for _ in range(MOST_BATCHES):
            forgotten += (some := await self.similar_replies.forget_late(BATCH))
            if some < BATCH:
                break
        return forgotten
