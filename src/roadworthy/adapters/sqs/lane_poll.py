"""Polls the queue of one lane while somebody waits for it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from contextvars import Context

import structlog

from roadworthy.adapters.sqs.lane_queue import LONG_POLL_SECONDS, MOST_AT_ONCE, LaneQueue
from roadworthy.adapters.sqs.tickets import Ticket, Tickets
from roadworthy.domain.errors import BrokerUnavailable

FIRST_PAUSE, LONGEST_PAUSE = 0.5, 4.0
"""Seconds between polls that fail."""
LATE_MILLISECONDS = 1000
"""A ticket that lay about for so long is not the only one."""

log: structlog.stdlib.BoundLogger = structlog.get_logger()


class LanePoll:
    """One long poll after the other. It is not abandoned when a wait ends: the next one soon follows."""

    def __init__(
        self,
        queue: LaneQueue,
        tickets: Tickets,
        came: Callable[[Sequence[Ticket]], None],
        failed: Callable[[BrokerUnavailable], None],
    ) -> None:
        self.queue = queue
        self._failure: BrokerUnavailable | None = None
        self._tickets = tickets
        self._came = came
        self._failed = failed
        self._pause = FIRST_PAUSE
        self._again_at = 0.0
        self._behind = False
        self._polling: asyncio.Task[None] | None = None

    @property
    def failure(self) -> BrokerUnavailable | None:
        """Why there is no poll under way; None where there is one, or nobody wanted one."""
        return self._failure if self._polling is None else None

    def wanted(self) -> bool:
        """Somebody waits now: poll, unless it failed just before; False then."""
        if self._polling is None:
            if time.monotonic() < self._again_at:
                return False
            # It outlives whoever comes first: their log and trace context is not its own.
            self._polling = asyncio.create_task(self._poll(), name="sqs-lane-poll", context=Context())
        return True

    async def close(self) -> None:
        if self._polling is not None:
            self._polling.cancel()
            await asyncio.wait([self._polling])

    async def _poll(self) -> None:
        try:
            while waiting := self._tickets.waiting(self.queue.lane):
                # One for each who waits leaves the others to other workers; old ones are taken by the dozen.
                most = MOST_AT_ONCE if self._behind else waiting
                # After a failure the question is whether it works, and a long poll would take its time to say so.
                tickets = await self.queue.receive(most, 0 if self._failure else LONG_POLL_SECONDS)
                self._behind = any(ticket.received - ticket.sent > LATE_MILLISECONDS for ticket in tickets)
                self._worked()
                self._came(tickets)
        except BrokerUnavailable as error:
            self._did_not_work(error)
        except Exception as error:
            log.exception("lane_not_polled", lane=self.queue.lane)
            self._did_not_work(BrokerUnavailable(f"The work queue failed: {error!r}. Tasks are safe in the store."))
        finally:
            self._polling = None

    def _worked(self) -> None:
        if self._failure is not None:
            log.info("lane_polled_again", lane=self.queue.lane)
        self._failure, self._pause, self._again_at = None, FIRST_PAUSE, 0.0

    def _did_not_work(self, error: BrokerUnavailable) -> None:
        if self._failure is None or self._failure.message != error.message:
            log.warning("lane_not_polled", lane=self.queue.lane, queue=self.queue.name, reason=error.message)
        self._failure = error
        self._again_at = time.monotonic() + self._pause
        self._pause = min(self._pause * 2, LONGEST_PAUSE)
        self._polling = None
        self._failed(error)
