"""Pieces broken on purpose: a checker that does not find these within a few seeds would find nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

from roadworthy.adapters.memory.database import MemoryDatabase
from roadworthy.adapters.memory.decisions import MemoryDecisions
from roadworthy.adapters.memory.task_row import TaskRow
from roadworthy.adapters.memory.task_store import MemoryTaskStore
from roadworthy.core.attempt import Attempt, Draft
from roadworthy.core.execution import worker
from roadworthy.core.insight.event_reader import EventReader, Missing
from roadworthy.core.money.money import Money
from roadworthy.core.money.slice import Slice
from roadworthy.core.operations import decide_call
from roadworthy.core.publisher import EventPublisher
from roadworthy.core.tool_gateway import unfinished_call
from roadworthy.core.tool_gateway.tool_call import ToolCalls
from roadworthy.core.tool_gateway.unfinished_call import UnfinishedCall
from roadworthy.core.upkeep.refill_tickets import RefillTickets
from roadworthy.core.upkeep.rescue_expired_leases import RescueExpiredLeases
from roadworthy.domain.event import EventRecord, Position
from roadworthy.domain.journal import EntryKind
from roadworthy.domain.lease import Lease
from roadworthy.domain.service import ToolPolicy
from roadworthy.domain.task import Settlement

from . import effects_checker

_record, _settle, _publish = Attempt.record, MemoryTaskStore._settle, EventPublisher.publish
_tag, _call = MemoryDatabase._set_fair_tag, ToolCalls._call
_last, _keep = UnfinishedCall._last, MemoryDecisions._keep


@dataclass(frozen=True, slots=True)
class Breakage:
    what: str
    promise: str
    """The one that the checker has to find broken."""
    pieces: Sequence[tuple[Any, str, Any]]


async def _answer_before_the_commit(self: Attempt, draft: Draft) -> None:
    if draft.kind is EntryKind.STARTED:
        return await _record(self, draft)
    self.__dict__.setdefault("_writing", []).append(asyncio.create_task(_record(self, draft)))
    return None


def _announce_what_comes_next(self: EventPublisher, record: EventRecord) -> None:
    ahead = Position(record.after.journal, record.after.changes + 1)
    _publish(self, EventRecord(record.task_id, record.before, ahead, record.events, record.text_end))


def _settle_in_spite_of_a_cancel(self: MemoryTaskStore, settlement: Settlement) -> Any:
    self._database.tasks[settlement.fence.task_id].cancel_requested = False
    return _settle(self, settlement)


def _tag_by_age(self: MemoryDatabase, row: TaskRow) -> None:
    _tag(self, row)
    row.fair_tag = 1


def _ignore_gaps(self: EventReader, record: EventRecord, **_: Any) -> Any:
    if record.number <= self.cursor:
        return [], Missing.NOTHING
    shown = list(record.events)
    self.cursor, self.position = record.number, record.after
    self.next_sequence = record.after.journal
    self.ended = any(event.kind == "done" for event in shown)
    return shown, Missing.NOTHING


async def _call_without_a_mark(self: ToolCalls, call: Any, do: Callable[[], Any]) -> bytes:
    with patch.object(type(self._attempt.service), "policy", lambda *_: ToolPolicy(effect="read", seconds=6)):
        return await _call(self, call, do)


async def _guess(self: UnfinishedCall, *_: Any) -> bytes:
    return await self._record(self._not_done("nobody has heard of it"))


def _overlook_starts(self: UnfinishedCall, letters: str) -> Any:
    return None if letters == unfinished_call._STARTS else _last(self, letters)


async def _ask_nobody(_: UnfinishedCall) -> None: ...


def _keep_to_oneself(self: MemoryDecisions, principal: Any, row: TaskRow, new: Any) -> Any:
    kept = _keep(self, principal, row, new)
    row.decided_attempt = None
    return kept


async def _call_unwritten(*_: Any) -> bool:
    return True


async def _nothing(*_: Any) -> int:
    return 0


async def _rescue_at_once(self: RescueExpiredLeases, ports: Any, turn: Any) -> int:
    return await self.rescue(ports)


BREAKAGES = {
    "fence": Breakage(
        "the store accepts writes of any attempt",
        "one writer",
        [(TaskRow, "holds", lambda self, fence: True)],
    ),
    "lease": Breakage(
        "workers never look at their lease",
        "only the owner acts",
        [(Lease, "remaining", property(lambda self: 1.0))],
    ),
    "journal": Breakage(
        "an attempt goes on before its result is in the journal",
        "results are in the journal before the next act",
        [(Attempt, "record", _answer_before_the_commit)],
    ),
    "events": Breakage(
        "events tell of what is not committed",
        "events come after their commit",
        [(EventPublisher, "publish", _announce_what_comes_next)],
    ),
    "once": Breakage(
        "`once` calls are not marked before they begin",
        "a `once` call is marked before it begins",
        [(ToolCalls, "_call", _call_without_a_mark)],
    ),
    "again": Breakage(
        "what was started and did not come back is called again",
        effects_checker.AT_MOST_ONCE,
        [(UnfinishedCall, "_last", _overlook_starts)],
    ),
    "guess": Breakage(
        "what did not come back is taken for not done",
        effects_checker.UNKNOWN,
        [(UnfinishedCall, "_found_out", _guess)],
    ),
    "approval": Breakage(
        "nobody is asked whether something may be sold",
        effects_checker.ALLOWED,
        [(UnfinishedCall, "_why_asked", _ask_nobody)],
    ),
    "early": Breakage(
        "people may say of a call that still runs that it did not happen",
        effects_checker.NOT_BEFORE,
        [(decide_call, "opens_at", lambda call, lease_seconds: None)],
    ),
    "unheard": Breakage(
        "a task that means to wait does not look whether it was answered meanwhile",
        effects_checker.HEARD,
        [(MemoryDecisions, "_keep", _keep_to_oneself)],
    ),
    "tickets": Breakage(
        "lost tickets are not replaced and nobody claims unasked",
        "every accepted task ends once the faults stop",
        [(RefillTickets, "run_once", _nothing), (worker, "UNASKED_SECONDS", 1e9)],
    ),
    "outage": Breakage(
        "rescue takes tasks over as soon as the store is back",
        "after an outage nobody is taken over for one lease",
        [(RescueExpiredLeases, "run_once", _rescue_at_once)],
    ),
    "cancel": Breakage(
        "a settlement overrules a cancel that was committed before it",
        "a cancel before the settlement wins",
        [(MemoryTaskStore, "_settle", _settle_in_spite_of_a_cancel)],
    ),
    "session": Breakage(
        "the session wall is open",
        "one task of a session at a time",
        [(MemoryDatabase, "occupant", lambda self, session_id: None)],
    ),
    "fairness": Breakage(
        "tasks are claimed by age alone",
        "nobody waits behind somebody's backlog",
        [(MemoryDatabase, "_set_fair_tag", _tag_by_age)],
    ),
    "charge": Breakage(
        "the provider is called before the ledger knows of it",
        "money is reserved before the call",
        [(Money, "_written", _call_unwritten)],
    ),
    "slice": Breakage(
        "a worker does not count what its calls under way may cost",
        "no budget is exceeded",
        [(Slice, "reserve", lambda self, money: None)],
    ),
    "returns": Breakage(
        "a worker keeps what it does not need",
        "no money leaks",
        [(Slice, "give_back", lambda self: None)],
    ),
    "reader": Breakage(
        "readers do not notice that records are missing",
        "a stream misses nothing and shows nothing twice",
        [(EventReader, "from_log", _ignore_gaps)],
    ),
}


@contextmanager
def broken(name: str | None) -> Generator[None]:
    """Meanwhile the piece is broken; nothing for None."""
    with ExitStack() as stack:
        for owner, attribute, substitute in BREAKAGES[name].pieces if name else ():
            stack.enter_context(patch.object(owner, attribute, substitute))
        yield
