"""What every `Decisions` must do."""

from __future__ import annotations

from typing import Any

import pytest

from roadworthy.domain.decision import Decision, NewDecision, Verdict
from roadworthy.domain.event import changed_number
from roadworthy.domain.journal import EntryKind
from roadworthy.domain.principal import Principal
from roadworthy.domain.task import Claimed, Task, TaskStatus
from roadworthy.ports.decisions import Decided
from roadworthy.testing.conformance.scenario import (
    ALICE,
    claim_one,
    entry,
    run_one,
    settle,
)
from roadworthy.testing.conformance.stores import Stores

OPERATOR = Principal("elsewhere", "olga", frozenset({"operator"}))
CALL = "t1:refund"
ASKED = b'{"about": "approval", "tool": "refund", "arguments": {"order": 7}}'
UNKNOWN = b'{"code": "effect_unknown", "message": "look whether it happened"}'


class DecideContract:
    async def test_a_task_that_waits_is_queued_and_keeps_what_was_decided(self, stores: Stores):
        waiting = await wait_for_decision(stores, error=UNKNOWN)
        new = decision(value=b'{"order": 8}', note="8, not 7", reason="approved by alice: refund")
        decided = await stores.decisions.decide(ALICE, waiting.id, new, None)
        task = await stores.tasks.find(ALICE, waiting.id)
        kept = Decision(CALL, Verdict.APPROVE, b'{"order": 8}', "8, not 7", "acme", "alice", decided.decision.at)
        assert decided == Decided(kept, task)
        assert (task.status, task.reason, task.error) == (TaskStatus.QUEUED, "approved by alice: refund", None)
        assert task.changes[-1].number == changed_number(1, 1, 3, TaskStatus.QUEUED)
        assert decided.decision.at == pytest.approx(task.changes[-1].at, abs=1)
        assert await stores.decisions.of_task(ALICE, waiting.id) == [kept]
        again = await claim_one(stores)
        assert (again.task.id, again.task.attempt, again.task.failures) == (waiting.id, 2, 0)


def decision(
    verdict: Verdict = Verdict.APPROVE, call_id: str = CALL, by: Principal = ALICE, **others: Any
) -> NewDecision:
    fields: dict[str, Any] = {"value": None, "note": None, "reason": "decided"}
    return NewDecision(call_id, verdict, by=by, **(fields | others))


async def ask(stores: Stores, claimed: Claimed, *keys: str) -> None:
    """Write down that people are asked about these calls."""
    await stores.journal.append([entry(claimed, f"w{key[1:]}", ASKED, EntryKind.ASKED) for key in keys or (CALL,)])


async def wait_for_decision(stores: Stores, *, error: bytes | None = None, **others: Any) -> Task:
    """A task that waits for a decision about CALL; no other may be claimable."""
    claimed = await run_one(stores, **others)
    await ask(stores, claimed)
    return (await settle(stores, claimed, TaskStatus.WAITING, error=error)).task
