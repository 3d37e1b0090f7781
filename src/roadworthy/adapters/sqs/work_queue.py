"""Tickets as messages, and who waits for them in this process."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from contextvars import Context

import structlog

from roadworthy.adapters.sqs.account import AwsAccount
from roadworthy.adapters.sqs.errors import BAD_CREDENTIALS, NO_SUCH_QUEUE, NOT_ALLOWED, Refusal, translated
from roadworthy.adapters.sqs.lane_poll import LanePoll
from roadworthy.adapters.sqs.lane_queue import LaneQueue
from roadworthy.adapters.sqs.queue_url import QueueUrl
from roadworthy.adapters.sqs.service import SqsService
from roadworthy.adapters.sqs.tickets import Ticket, Tickets
from roadworthy.domain.errors import BrokerUnavailable, SettingsInvalid

HELD_SECONDS = 0.25
"""How long a ticket is kept for a worker that will wait again: longer than most claims take."""
LAST_SECONDS = 1.0
"""For the tickets that are still to be deleted or given back in the end."""
ACTIONS = ("GetQueueUrl", "SendMessage", "ReceiveMessage", "DeleteMessage", "ChangeMessageVisibility", "CreateQueue")

_Clean = Callable[[LaneQueue, Sequence[Ticket]], Awaitable[None]]

log: structlog.stdlib.BoundLogger = structlog.get_logger()


async def open_work_queue(url: str) -> SqsWorkQueue:
    """The work queue at `sqs://REGION/QUEUE_PREFIX`.

    Raises SettingsInvalid for what only a change of settings can mend: the URL, the region, missing or refused
    credentials, a missing permission. A service that is away is no error: it may come back.
    """
    where = QueueUrl.parse(url)
    account = await AwsAccount.open(where.region)
    service = SqsService(account)
    try:
        await _check(service, where, account)
    except BaseException:
        await service.close()
        raise
    return SqsWorkQueue(service, where)


class SqsWorkQueue:
    """Implements `ports.work_queue.WorkQueue`. `open_work_queue` makes it."""

    def __init__(self, service: SqsService, url: QueueUrl) -> None:
        self._service = service
        self._url = url
        self._queues: dict[str, LaneQueue] = {}
        self._polls: dict[str, LanePoll] = {}
        self._tickets = Tickets()
        self._giving_back: asyncio.TimerHandle | None = None
        self._cleaning: set[asyncio.Task[None]] = set()
        self._cleaning_fails = False
        self._closed = False

    async def post(self, lanes: Collection[str]) -> None:
        posted = await asyncio.gather(*(self._queue(lane).post() for lane in lanes), return_exceptions=True)
        for outcome in posted:
            if isinstance(outcome, BaseException):
                raise outcome

    async def wait(self, lanes: Collection[str], seconds: float) -> bool:
        if self._closed:
            raise _closed()
        if not lanes:
            await asyncio.sleep(seconds)
            return False
        worker = self._tickets.wait(lanes)
        try:
            if not worker.woken.done():
                self._poll(lanes)
            await asyncio.wait([worker.woken], timeout=seconds)
        except BaseException:
            self._delete(self._tickets.leave(worker))
            self._give_back_soon()
            raise
        if not worker.woken.done():
            self._tickets.leave(worker)
            return False
        self._delete(self._tickets.claimed_for(worker))
        return True

    async def close(self) -> None:
        """Those who wait get BrokerUnavailable."""
        self._closed = True
        self._tickets.fail_all(_closed())
        await asyncio.gather(*(poll.close() for poll in self._polls.values()))
        if self._giving_back is not None:
            self._giving_back.cancel()
        self._give_back()
        if self._cleaning:
            _, unfinished = await asyncio.wait(self._cleaning, timeout=LAST_SECONDS)
            for task in unfinished:
                task.cancel()
            await asyncio.gather(*unfinished, return_exceptions=True)
        await self._service.close()

    # Receiving

    def _poll(self, lanes: Collection[str]) -> None:
        """Raises BrokerUnavailable where all of these lanes failed just before."""
        polls = [self._poll_of(lane) for lane in lanes]
        wanted = [poll.wanted() for poll in polls]
        if not any(wanted):
            raise next(poll.failure for poll in polls if poll.failure is not None)

    def _poll_of(self, lane: str) -> LanePoll:
        if lane not in self._polls:
            self._polls[lane] = LanePoll(self._queue(lane), self._tickets, self._came, self._failed)
        return self._polls[lane]

    def _came(self, tickets: Sequence[Ticket]) -> None:
        self._delete(self._tickets.arrived(tickets))
        self._give_back_soon()

    def _failed(self, error: BrokerUnavailable) -> None:
        failing = {lane for lane, poll in self._polls.items() if poll.failure is not None}
        self._tickets.fail(failing, error)

    def _queue(self, lane: str) -> LaneQueue:
        if lane not in self._queues:
            self._queues[lane] = LaneQueue(self._service, self._url, lane)
        return self._queues[lane]

    # Cleaning up

    def _delete(self, tickets: Iterable[Ticket]) -> None:
        self._clean(tickets, LaneQueue.delete)

    def _give_back_soon(self) -> None:
        if self._tickets.any_held and self._giving_back is None:
            self._giving_back = asyncio.get_running_loop().call_later(HELD_SECONDS, self._give_back)

    def _give_back(self) -> None:
        self._giving_back = None
        self._clean(self._tickets.take_held(), LaneQueue.give_back)

    def _clean(self, tickets: Iterable[Ticket], do: _Clean) -> None:
        by_lane: defaultdict[str, list[Ticket]] = defaultdict(list)
        for ticket in tickets:
            by_lane[ticket.lane].append(ticket)
        for lane, some in by_lane.items():
            task = asyncio.create_task(self._cleaned(lane, some, do), context=Context())
            self._cleaning.add(task)
            task.add_done_callback(self._cleaning.discard)

    async def _cleaned(self, lane: str, tickets: Sequence[Ticket], do: _Clean) -> None:
        """Nobody waits for it: what is left comes back by itself, and wakes somebody for nothing."""
        try:
            await do(self._queue(lane), tickets)
        except BrokerUnavailable as error:
            if not self._cleaning_fails:
                log.warning("tickets_not_deleted", lane=lane, reason=error.message)
            self._cleaning_fails = True
        else:
            self._cleaning_fails = False


async def _check(service: SqsService, url: QueueUrl, account: AwsAccount) -> None:
    try:
        with translated(service.where):
            try:
                await service.call("GetQueueUrl", QueueName=f"{url.prefix}__start-check")
            except Refusal as error:
                if error.code in NO_SUCH_QUEUE:
                    return  # we may ask, and that was the question
                if problem := _unmendable(error, url):
                    raise SettingsInvalid(problem) from error
                raise
    except BrokerUnavailable as error:
        if not account.known_region:
            raise SettingsInvalid(
                f"ROADWORTHY_QUEUE_URL names the region {url.region}, which is not known and does not answer: "
                f"{error.message}"
            ) from error
        log.warning("work_queue_away", reason=error.message)


def _unmendable(error: Refusal, url: QueueUrl) -> str | None:
    if error.code in BAD_CREDENTIALS:
        return f"SQS in {url.region} does not accept the AWS credentials that were found: {error}"
    if error.code in NOT_ALLOWED:
        actions = ", ".join(f"sqs:{action}" for action in ACTIONS)
        return f"The AWS credentials that were found may not use SQS: allow {actions} on {url.resource}; {error}"
    return None


def _closed() -> BrokerUnavailable:
    return BrokerUnavailable("The work queue was closed.")
