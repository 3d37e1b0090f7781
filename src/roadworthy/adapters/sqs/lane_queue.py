"""The queue of one lane."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from roadworthy.adapters.sqs.errors import NO_SUCH_QUEUE, NOT_ALLOWED, QUEUE_EXISTS, Refusal, translated
from roadworthy.adapters.sqs.queue_url import QueueUrl
from roadworthy.adapters.sqs.service import CALL_SECONDS, SqsService
from roadworthy.adapters.sqs.tickets import Ticket
from roadworthy.domain.errors import BrokerUnavailable

MOST_AT_ONCE = 10
LONG_POLL_SECONDS = 20
"""Both as much as the service allows."""
KEPT_SECONDS = 60
"""As little as the service allows: what is claimable is posted again every few seconds."""
INVISIBLE_SECONDS = 5
"""Of a ticket that was received and neither deleted nor given back: its process has died, or its answer was lost."""


class LaneQueue:
    """Looked up when it is first needed, and made where it is not there. Methods raise BrokerUnavailable."""

    def __init__(self, service: SqsService, url: QueueUrl, lane: str) -> None:
        self.lane = lane
        self.name = url.queue_of(lane)
        self._resource = url.resource
        self._service = service
        self._url: str | None = None
        self._finding = asyncio.Lock()
        self._failures = 0

    async def post(self) -> None:
        with translated(self._service.where):
            await self._call("SendMessage", MessageBody=self.lane)

    async def receive(self, most: int, seconds: int) -> list[Ticket]:
        """As many at most, waiting so long for the first of them."""
        with translated(self._service.where):
            answer = await self._call(
                "ReceiveMessage",
                seconds + CALL_SECONDS,
                MaxNumberOfMessages=min(most, MOST_AT_ONCE),
                WaitTimeSeconds=seconds,
                VisibilityTimeout=INVISIBLE_SECONDS,
                MessageSystemAttributeNames=["SentTimestamp", "ApproximateFirstReceiveTimestamp"],
            )
            return [_ticket(self.lane, message) for message in answer.get("Messages") or ()]

    async def delete(self, tickets: Sequence[Ticket]) -> None:
        with translated(self._service.where):
            await self._call_for("DeleteMessageBatch", tickets)

    async def give_back(self, tickets: Sequence[Ticket]) -> None:
        """The next who receives gets them."""
        with translated(self._service.where):
            await self._call_for("ChangeMessageVisibilityBatch", tickets, VisibilityTimeout=0)

    async def _call_for(self, action: str, tickets: Sequence[Ticket], **each: int) -> None:
        for start in range(0, len(tickets), MOST_AT_ONCE):
            some = tickets[start : start + MOST_AT_ONCE]
            entries = [{"Id": str(i), "ReceiptHandle": ticket.receipt, **each} for i, ticket in enumerate(some)]
            await self._call(action, Entries=entries)

    async def _call(self, action: str, seconds: float = CALL_SECONDS, **parameters: Any) -> dict[str, Any]:
        url = await self._found()
        try:
            return await self._service.call(action, seconds, QueueUrl=url, **parameters)
        except Refusal as error:
            if error.code not in NO_SUCH_QUEUE:
                raise
        if self._url == url:
            self._url = None
        return await self._service.call(action, seconds, QueueUrl=await self._found(), **parameters)

    async def _found(self) -> str:
        """The queue's own URL."""
        if self._url is not None:
            return self._url
        seen = self._failures
        async with self._finding:
            if self._url is not None:
                return self._url
            if self._failures != seen:
                # Somebody tried while we stood in line: a hundred callers must not wait for a hundred deadlines.
                raise BrokerUnavailable(f"SQS at {self._service.where} is away. Tasks are safe in the store.")
            try:
                self._url = await self._find() or await self._make()
            except Exception:
                self._failures += 1
                raise
            return self._url

    async def _find(self) -> str | None:
        try:
            return (await self._service.call("GetQueueUrl", QueueName=self.name))["QueueUrl"]
        except Refusal as error:
            if error.code in NO_SUCH_QUEUE:
                return None
            raise

    async def _make(self) -> str:
        attributes = {
            "MessageRetentionPeriod": KEPT_SECONDS,
            "ReceiveMessageWaitTimeSeconds": LONG_POLL_SECONDS,
            "VisibilityTimeout": INVISIBLE_SECONDS,
        }
        try:
            answer = await self._service.call(
                "CreateQueue",
                QueueName=self.name,
                Attributes={name: str(value) for name, value in attributes.items()},
            )
            return answer["QueueUrl"]
        except Refusal as error:
            if error.code in QUEUE_EXISTS and (url := await self._find()):
                return url  # somebody was faster, and wanted it otherwise
            if error.code in NOT_ALLOWED:
                hint = f"there is no queue {self.name}: make it, or allow sqs:CreateQueue on {self._resource}"
                raise Refusal("CreateQueue", error.status, error.code, hint) from error
            raise


def _ticket(lane: str, message: dict[str, Any]) -> Ticket:
    attributes = message["Attributes"]
    sent, received = attributes["SentTimestamp"], attributes["ApproximateFirstReceiveTimestamp"]
    return Ticket(lane, message["ReceiptHandle"], int(sent), int(received))
