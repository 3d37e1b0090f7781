"""Who waits, which tickets came, and whom each wakes; decided without I/O."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from roadworthy.domain.errors import BrokerUnavailable


@dataclass(frozen=True, slots=True)
class Ticket:
    lane: str
    receipt: str
    """What the service wants to see when it is deleted or given back."""
    sent: int
    received: int
    """For the first time; both in milliseconds of the service's clock."""


@dataclass(eq=False, slots=True)
class WaitingWorker:
    lanes: frozenset[str]
    covered: dict[str, int]
    """Tickets of a lane that were sent up to here were followed by a claim before it began to wait."""
    woken: asyncio.Future[Ticket] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class Tickets:
    """A claim follows each wait, and sees all of its lanes' tasks that were committed before. So a ticket that was sent
    before another was received, which ended a wait for its lane, has been answered: it is spent.
    """

    def __init__(self) -> None:
        self._waiting: list[WaitingWorker] = []
        """In the order in which they came."""
        self._held: list[Ticket] = []
        """Those that nobody waited for."""
        self._covered: defaultdict[str, int] = defaultdict(int)

    def wait(self, lanes: Collection[str]) -> WaitingWorker:
        """From now on; a held ticket wakes the worker at once."""
        worker = WaitingWorker(frozenset(lanes), {lane: self._covered[lane] for lane in lanes})
        self._waiting.append(worker)
        held, self._held = self._held, []
        for ticket in held:
            self._arrived(ticket)
        return worker

    def waiting(self, lane: str) -> int:
        """How many wait for a ticket of this lane."""
        return sum(lane in worker.lanes for worker in self._waiting)

    def arrived(self, tickets: Iterable[Ticket]) -> list[Ticket]:
        """Those that are spent. The others wake one worker each, the longest waiting first, or are held."""
        return [ticket for ticket in tickets if self._arrived(ticket)]

    def leave(self, worker: WaitingWorker) -> list[Ticket]:
        """It waits no longer, and no claim follows: a ticket that it was just given is for somebody else, or spent."""
        if worker in self._waiting:
            self._waiting.remove(worker)
            return []
        return [] if worker.woken.exception() else self.arrived([worker.woken.result()])

    def claimed_for(self, worker: WaitingWorker) -> list[Ticket]:
        """What is spent because this worker was woken and will claim now."""
        ticket = worker.woken.result()
        for lane in worker.lanes:
            self._covered[lane] = max(self._covered[lane], ticket.received)
        spent = [held for held in self._held if self._is_spent(held)]
        self._held = [held for held in self._held if not self._is_spent(held)]
        return [ticket, *spent]

    def take_held(self) -> list[Ticket]:
        """What nobody came for."""
        held, self._held = self._held, []
        return held

    @property
    def any_held(self) -> bool:
        return bool(self._held)

    def fail(self, lanes: Collection[str], error: BrokerUnavailable) -> None:
        """Those who wait for these lanes and no others get the error."""
        for worker in [worker for worker in self._waiting if worker.lanes.issubset(lanes)]:
            self._waiting.remove(worker)
            worker.woken.set_exception(error)

    def fail_all(self, error: BrokerUnavailable) -> None:
        for worker in self._waiting:
            worker.woken.set_exception(error)
        self._waiting.clear()

    def _arrived(self, ticket: Ticket) -> bool:
        for worker in self._waiting:
            if ticket.lane in worker.lanes and ticket.sent > worker.covered[ticket.lane]:
                self._waiting.remove(worker)
                worker.woken.set_result(ticket)
                return False
        if self._is_spent(ticket):
            return True
        self._held.append(ticket)
        return False

    def _is_spent(self, ticket: Ticket) -> bool:
        return ticket.sent <= self._covered[ticket.lane]
