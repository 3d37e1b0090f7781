"""`answer`: one answer to an agent's request, from whichever model of its chain gives it."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from roadworthy.core.attempt import Attempt, TextStream
from roadworthy.core.model_gateway.gateway import ModelGateway
from roadworthy.core.model_gateway.model_reply import ModelReply
from roadworthy.core.model_gateway.reply_caches import CachedCall, Found
from roadworthy.core.model_gateway.reply_stream import Make, TimedCall
from roadworthy.core.model_gateway.tries import Try, all_failed
from roadworthy.core.money.reservation import Reservation
from roadworthy.domain.budget import ChargeSettlement
from roadworthy.domain.errors import LimitReached, ModelCallFailed
from roadworthy.domain.event import EventKind
from roadworthy.domain.failure_class import FailureClass, Remedy, pause_within_call
from roadworthy.domain.model_input import ModelInput, ProviderCall
from roadworthy.domain.money import MicroDollars

ANSWERED = "answered"
"""Outcome of a call of a provider, for metrics; the others are classes of failure."""


@dataclass(frozen=True, slots=True)
class _Request:
    """What an agent asks for, and of whom."""

    input: ModelInput
    make: Make
    chain: Sequence[str]


@dataclass(frozen=True, slots=True)
class _Paid:
    """A call that was answered and is not in the journal yet."""

    reservation: Reservation
    cost: MicroDollars
    usage: Mapping[str, int]
    is_uncertain: bool
    """Nobody counted its tokens: it costs its estimate."""


class ModelCall:
    """One model call of an agent, which may take several calls of providers.

    The models of a chain are asked in its order, each again where that may help. A model whose breaker is open comes
    last: it is asked only when no other one answered. At the very end they are asked with a simplified prompt.
    """

    def __init__(self, attempt: Attempt, gateway: ModelGateway, key: str, shown: bool) -> None:
        """`key` is that of the journal entry to come."""
        self._attempt = attempt
        self._gateway = gateway
        self._breakers = gateway.breakers.of(attempt.service.lane)
        self._prices = gateway.price_book.of(attempt.service)
        self._key = key
        self._shown = shown
        self._began = time.monotonic()
        self._tries: list[Try] = []
        self._text: TextStream | None = None
        self._paid: _Paid | None = None
        self._cached: CachedCall | None = None
        self._found: Found | None = None
        self._brought_by: tuple[ModelReply, ProviderCall] | None = None
        self._cost: MicroDollars = 0
        self._saved: MicroDollars = 0
        self._of_tier = False
        self.cut: LimitReached | None = None
        """What ends the task, where its money was not enough for a longer answer."""

    async def answer(self, input: ModelInput, make: Make, models: Sequence[str] = ()) -> ModelReply:
        """The reply of one of the models (of the agent's own, if there are none), or of a cache.

        Raises ModelCallFailed when none gave one, TaskInterruption when the attempt must end.
        """
        # A provider may stop in the middle and be asked to go on: that is another answer within the same call.
        await self._settle()
        self._of_tier = bool(models)
        request = _Request(input, make, models or (input.model,))
        if self._tries or not input.can_be_cached:
            self._cached = None
        elif (found := await self._looked_up(request)) is not None:
            return found.reply
        first = len(self._tries)
        reply = await self._asked(request)
        if reply is None:
            reply = await self._asked_with_less(request, self._tries[first:])
        if reply is None:
            raise all_failed(self._tries[first:])
        return reply

    # Of a cache

    async def _looked_up(self, request: _Request) -> Found | None:
        self._cached = self._gateway.caches.call(self._attempt, request.input, request.chain[0])
        if self._cached is None:
            return None
        with self._attempt.progress:
            self._found = await self._cached.look()
        if self._found is not None:
            self._saved = self._found.saved
            await self._found.stream_to(self._open_text())
        return self._found

    # Of a provider

    async def _asked(self, request: _Request) -> ModelReply | None:
        breakers, last = self._breakers, request.chain[-1]
        passed_over: list[str] = []
        for model in request.chain:
            if not await breakers.lets_through(model):
                passed_over.append(model)
                continue
            with breakers.calling(model):
                reply = await self._asked_again(request, model, others=model != last)
            if reply is not None:
                return reply
        if not passed_over:
            return None
        # Better than no answer: it may have got well again before anybody was to look.
        return await self._once(request, min(passed_over, key=breakers.half_open_in))

    async def _asked_again(self, request: _Request, model: str, others: bool) -> ModelReply | None:
        """Of one model, which is asked until it answers or that does not help any more."""
        failures = 0
        while True:
            if (reply := await self._once(request, model)) is not None:
                return reply
            failures += 1
            error = self._tries[-1].error
            assert error is not None  # noqa: S101
            chance = random.random()  # noqa: S311
            pause = pause_within_call(error.failure, failures, error.retry_after, others, chance)
            if pause is None:
                return None
            with self._attempt.progress:
                await asyncio.sleep(pause)

    async def _asked_with_less(self, request: _Request, tries: Sequence[Try]) -> ModelReply | None:
        """Of the models that a shorter prompt may help. Where the task will be tried again it is too early for an
        answer without history and tools, unless nothing else would ever help."""
        for model in request.chain:
            failures = [one.failure for one in tries if one.model == model and one.failure is not None]
            if not failures or not _shorter_may_help(failures[-1], self._attempt.is_last_try):
                continue
            if (reply := await self._once(request, model, simplified=True)) is not None:
                return reply
        return None

    async def _once(self, request: _Request, model: str, *, simplified: bool = False) -> ModelReply | None:
        """One call of one provider; None when it failed, which is then the last of the tries."""
        if self._tries:
            await self._attempt.permit()
        money = self._gateway.money
        reservation = await money.reserve(self._attempt, self._prices, model, request.input, self._key)
        call = ProviderCall(model, reservation.output_tokens, simplified)
        timed = TimedCall(self._attempt, request.input, call, self._open_text())
        began, at = time.monotonic(), self._gateway.breakers.clock()
        try:
            reply = await timed.of(request.make)
        except ModelCallFailed as error:
            await self._failed(call, error, reservation, timed, time.monotonic() - began)
            if error.failure.treatment.remedy is Remedy.NOTHING:
                raise
            return None
        except BaseException:
            # The call may have reached the provider, whatever the code around it made of that.
            reservation.uncertain()
            raise
        self._breakers.succeeded(model, at)
        self._answered(call, reply, reservation, time.monotonic() - began)
        return reply

    def _answered(self, call: ProviderCall, reply: ModelReply, reservation: Reservation, seconds: float) -> None:
        billed = (reply.model, reply.usage, reply.provider, reply.url)
        if is_uncertain := not reply.is_counted and reservation.call.worst > 0:
            # Never free because nobody counted.
            self._gateway.missing_usage.says_nothing_of_tokens(call.model)
        cost = reservation.call.worst if is_uncertain else self._prices.cost(*billed, asked=call.model)
        self._cost += cost
        self._saved += self._prices.saved(*billed, asked=call.model)
        self._paid = _Paid(reservation, cost, reply.usage, is_uncertain)
        self._brought_by = (reply, call)
        if _is_cut_short(reply, call):
            self.cut = reservation.cut()
        assert self._text is not None  # noqa: S101
        if reply.text and not self._text.pieces:
            self._text(EventKind.TEXT, reply.text)
        self._tries.append(Try(call.model, seconds, cost, is_uncertain=is_uncertain, simplified=call.simplified))
        self._gateway.counters.model_requests[call.model, ANSWERED] += 1

    async def _failed(
        self, call: ProviderCall, error: ModelCallFailed, reservation: Reservation, timed: TimedCall, seconds: float
    ) -> None:
        # What has begun to answer may bill what it said, whatever it ended with.
        is_uncertain = timed.stream.has_begun or not error.is_unbilled
        if is_uncertain:
            reservation.uncertain()
        else:
            await reservation.settle(0)
        if not timed.was_hurried:
            self._breakers.failed(call.model, error.failure)
        tried = Try(call.model, seconds, error=error, is_uncertain=is_uncertain, simplified=call.simplified)
        self._tries.append(tried)
        self._gateway.counters.model_requests[call.model, error.failure.value] += 1

    # Of all of them

    def settlement(self) -> ChargeSettlement | None:
        """For the journal entry of the reply; None where nothing was paid for it."""
        paid, self._paid = self._paid, None
        return (
            None if paid is None else paid.reservation.settlement(None if paid.is_uncertain else paid.cost, paid.usage)
        )

    async def _settle(self) -> None:
        paid, self._paid = self._paid, None
        if paid is not None:
            # It is no part of what the entry costs, or it would count twice.
            self._cost -= paid.cost
            if paid.is_uncertain:
                paid.reservation.uncertain()
            else:
                await paid.reservation.settle(paid.cost, paid.usage)

    def _open_text(self) -> TextStream:
        self._close_text()
        self._text = self._attempt.open_text(shown=self._shown)
        return self._text

    def _close_text(self) -> None:
        if self._text is not None:
            self._attempt.close_text(self._text)

    @property
    def is_cached(self) -> bool:
        """Whether a cache was asked, which may keep the reply or have given it."""
        return self._cached is not None

    def keep(self) -> None:
        """Give the reply to the caches, now that it is in the journal and the agent went on with it."""
        if self._cached is None or self._brought_by is None or self._text is None:
            return
        reply, call = self._brought_by
        reply = replace(reply, cost=self._tries[-1].cost)
        self._cached.keep(reply, call, [(EventKind(kind), text) for kind, text in self._text.pieces])

    def forget(self) -> None:
        """Have the cache that gave the reply not give it again: the agent could not use it."""
        if self._cached is not None and self._found is not None:
            self._cached.forget(self._found)

    async def close(self) -> None:
        """What was paid for and is in no entry is settled without one."""
        self._close_text()
        await self._settle()

    def detail(self, reply: ModelReply) -> dict[str, Any]:
        """What is kept of the call for people and event streams."""
        text = self._text
        if text is None:
            # Something between the agent and the gateway answered in a model's place.
            text = self._open_text()
            text(EventKind.TEXT, reply.text)
            self._cost = self._prices.cost(reply.model, reply.usage, reply.provider, reply.url)
        shown: dict[str, Any] = {
            "model": reply.model,
            "pieces": text.pieces,
            "tool_calls": list(reply.tool_calls),
            "usage": reply.usage,
            "cost": self._cost,
            "seconds": round(time.monotonic() - self._began, 3),
        }
        if reply.has_acted:
            shown["acted"] = True
        if self._saved:
            shown["saved"] = self._saved
        if text.live:
            shown["text_at"] = text.place[:3]
        if self._of_tier:
            shown["tier"] = self._attempt.tier
        if self._found is not None:
            shown |= {**self._found.detail, "cache": self._found.cache}
        if self._tries and self._tries[-1].error is None and self._tries[-1].is_uncertain:
            shown["uncertain"] = True
        if len(self._tries) > 1:
            shown["tries"] = [one.detail for one in self._tries]
        if self.cut is not None:
            shown["cut"] = {"code": self.cut.code, "message": self.cut.message}
        return shown


def _is_cut_short(reply: ModelReply, call: ProviderCall) -> bool:
    """Whether it ended at the limit that the money set, and not at one of its own before."""
    if not reply.is_cut or call.output_tokens is None:
        return False
    written = reply.usage.get("output_tokens", 0)
    return not written or written >= call.output_tokens


def _shorter_may_help(failure: FailureClass, is_last_try: bool) -> bool:
    remedy = failure.treatment.remedy
    if remedy is Remedy.SHORTER:
        return True
    return is_last_try and (remedy is Remedy.AGAIN or failure is FailureClass.MODEL_TIMED_OUT)
