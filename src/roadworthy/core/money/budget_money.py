"""The budgets' money that one worker holds: drawn in slices, asked for in turn, reported and given back."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Coroutine, Iterable, Sequence
from contextlib import suppress
from contextvars import Context
from datetime import date
from typing import Any
from uuid import UUID

import structlog

from roadworthy.core.money.priced_call import PricedCall
from roadworthy.core.money.slice import WANTED_SECONDS, Slice
from roadworthy.core.money.waiting_call import Ask, Covering, Serve, Share, Wait, WaitingCall
from roadworthy.core.outage import Outage
from roadworthy.domain.budget import Budget
from roadworthy.domain.errors import BudgetUsedUp, InternalError, RoadworthyError, StoreUnavailable
from roadworthy.domain.keepable import foreign_words
from roadworthy.domain.money import MicroDollars
from roadworthy.domain.principal import Principal
from roadworthy.ports.budget_ledger import BudgetLedger, Want

CALLS_AT_ONCE = 16
"""So many calls' worth is drawn at most, where nobody else wants it."""
ASK_AGAIN_SECONDS = 0.25
"""How often a budget that has too little is asked."""
REPORT_SECONDS = 1.0
IDLE_SECONDS = 5.0
"""A slice that was not used for so long goes back."""
EARLY_REPORT_SECONDS = 0.1
"""The pause before money goes back that others want."""

_NOBODY = UUID(int=0)

log = structlog.get_logger()


class BudgetMoney:
    """Slices of one worker, and the calls that wait for more. Of each user first come, first served; nobody waits
    behind somebody else's call that is too dear for what is left."""

    def __init__(self, ledger: BudgetLedger, holder: Callable[[], UUID]) -> None:
        self._ledger = ledger
        self._present_holder = holder
        self._holder = _NOBODY
        """Whose slices these are."""
        self._number = 0
        self._slices: dict[Budget, Slice] = {}
        """Of today, also those of which nothing is left."""
        self._active: dict[Slice, None] = {}
        """Those that the store is to hear of: also of the day before, while a call of it is under way."""
        self._waiting: list[WaitingCall] = []
        self._lacked: set[Budget] = set()
        """By somebody who waits: what is left of them is kept for him."""
        self._in_line: set[Principal] = set()
        """Who waits: their later calls come behind."""
        self._line = asyncio.Lock()
        """One draw or report at a time, as the ledger wants it."""
        self._drawing: asyncio.Task[None] | None = None
        self._reporting: asyncio.Task[None] | None = None
        self._look_again = asyncio.Event()
        self._report_soon = asyncio.Event()
        self._closing = False
        self._away = Outage("budgets_not_reached")

    async def take(
        self,
        whose: Principal,
        covering: Covering,
        call: PricedCall,
        give_up: float,
        must_end: Callable[[], RoadworthyError | None],
    ) -> Share:
        """What the call costs at most, or what a shorter one does, from all budgets that cover it.

        Raises BudgetUsedUp, or what `must_end` answers meanwhile.
        """
        self._forgot()
        if whose not in self._in_line and not self._short(covering, call):
            return self._share(covering, call)
        self._in_line.add(whose)
        waiting = WaitingCall(whose, covering, call, give_up, must_end, asyncio.get_running_loop().create_future())
        self._waiting.append(waiting)
        self._look_again.set()
        if self._drawing is None:
            self._drawing = _beside(self._draw_for_who_waits())
        try:
            return await waiting.answer
        except asyncio.CancelledError:
            waiting.answer.cancel()
            if not waiting.answer.cancelled() and waiting.answer.exception() is None:
                waiting.answer.result().spent(0)
            self._look_again.set()
            raise

    async def close(self, seconds: float) -> None:
        """Give everything back; what the store does not hear of in time it takes back once the worker is gone."""
        self._closing = True
        self._look_again.set()
        self._report_soon.set()
        # What a draw under way brings is given back, too.
        for _ in range(2):
            if (task := self._drawing or self._reporting) is not None:
                _, late = await asyncio.wait([task], timeout=seconds)
                for each in late:
                    each.cancel()
                    await asyncio.wait([each])

    # Who gets what

    def _share(self, covering: Covering, call: PricedCall) -> Share:
        slices = [self._slices[budget] for budget, _ in covering]
        for one in slices:
            one.reserve(call.worst)
            self._is_active(one)
        return Share(call, self._holder, slices[0].day, slices, self._spent)

    def _spent(self, slices: Iterable[Slice]) -> None:
        if self._waiting:
            self._look_again.set()
        elif any(one.is_wanted and one.available > 0 for one in slices):
            self._report_soon.set()

    def _short(self, covering: Covering, call: PricedCall) -> list[Slice]:
        """The slices of these budgets that have too little for the call; where none has, all are of the same day."""
        slices = [self._slice(budget, limit) for budget, limit in covering]
        if len(slices) > 1:
            days = [one.day for one in slices if one.day is not None]
            for one in slices:
                if one.day is not None and one.day < max(days):
                    one.lapse()
                    return self._short(covering, call)
        return [one for one in slices if one.available < call.worst]

    def _slice(self, budget: Budget, limit: MicroDollars) -> Slice:
        """Today's."""
        one = self._slices.get(budget)
        if one is None:
            one = self._slices[budget] = Slice(budget, limit)
        elif one.day is not None and not one.lives:
            one.lapse()
            one, before = Slice(budget, limit), one
            one.in_doubt = before.in_doubt
            self._slices[budget] = one
        return one

    def _look(self) -> tuple[list[WaitingCall], float]:
        """Serve who can be served; answers for whom the store is to be asked, and until when to wait otherwise."""
        self._waiting = [waiting for waiting in self._waiting if not waiting.answer.done()]
        self._lacked.clear()
        self._in_line.clear()
        asking: list[WaitingCall] = []
        until = time.monotonic() + ASK_AGAIN_SECONDS
        for waiting in self._waiting:
            if (end := waiting.must_end()) is not None:
                waiting.answer.set_exception(end)
            elif waiting.whose in self._in_line:
                continue
            else:
                step = waiting.next_step(self._short(waiting.covering, waiting.sought), self._waiting_for)
                short = self._short(waiting.covering, waiting.sought)
                if isinstance(step, Ask) and not short:
                    step = Serve()  # it was shortened, and fits
                match step:
                    case Serve():
                        waiting.answer.set_result(self._share(waiting.covering, waiting.sought))
                    case BudgetUsedUp():
                        waiting.answer.set_exception(step)
                    case Ask():
                        asking.append(waiting)
                    case Wait():
                        until = min(until, step.until)
                if not waiting.answer.done():
                    self._lacked.update(one.budget for one in short)
                    self._in_line.add(waiting.whose)
        self._waiting = [waiting for waiting in self._waiting if not waiting.answer.done()]
        return asking, until

    def _waiting_for(self, budget: Budget) -> int:
        """How many users wait for money that this budget has to give, too."""
        return len(
            {
                waiting.whose
                for waiting in self._waiting
                if not waiting.answer.done() and any(covers == budget for covers, _ in waiting.covering)
            }
        )

    # Drawing

    async def _draw_for_who_waits(self) -> None:
        try:
            while True:
                asking, until = self._look()
                if self._closing:
                    for waiting in self._waiting:
                        waiting.answer.cancel()
                    return
                if not self._waiting:
                    return
                if asking:
                    await self._draw(asking)
                else:
                    self._look_again.clear()
                    await _until(self._look_again, until - time.monotonic())
        except Exception as error:
            log.exception("money_not_drawn")
            failed = InternalError(
                f"Roadworthy could not draw on a budget ({type(error).__name__}: {foreign_words(error)})"
            )
            for waiting in self._waiting:
                if not waiting.answer.done():
                    waiting.answer.set_exception(failed)
            self._waiting.clear()
            self._lacked.clear()
            self._in_line.clear()
        finally:
            self._drawing = None

    async def _draw(self, asking: Sequence[WaitingCall]) -> None:
        began = time.monotonic()
        try:
            async with self._line:
                await self._draw_in_turn(asking)
            self._away.is_over()
        except StoreUnavailable as error:
            self._away.goes_on(error.message)
            await asyncio.sleep(ASK_AGAIN_SECONDS)
            # Nobody's patience is for a store that is away.
            for waiting in self._waiting:
                waiting.give_up += time.monotonic() - began

    async def _draw_in_turn(self, asking: Sequence[WaitingCall]) -> None:
        self._forgot()
        wants: dict[Slice, Want] = {}
        for waiting in asking:
            for one in self._short(waiting.covering, waiting.sought):
                if one not in wants:
                    wants[one] = self._want(waiting, one)
        if not wants:
            return
        self._number += 1
        sent, holder = time.monotonic(), self._holder
        try:
            answers = await self._ledger.draw(holder, self._number, list(wants.values()))
        except BaseException:
            if self._is_still(holder):
                for one in wants:
                    one.in_doubt = True
                    self._is_active(one)
            raise
        if not self._is_still(holder):
            return
        for (one, want), answer in zip(wants.items(), answers, strict=True):
            if one.day is not None and one.day != answer.day:
                one.lapse()
                one = self._slices[one.budget] = Slice(one.budget, one.limit)
                self._forget_other_days(answer.day)
            one.drawn(answer, want.least, sent)
            one.ask_again_at = sent + ASK_AGAIN_SECONDS * (0.8 + 0.4 * random.random())  # noqa: S311
            self._is_active(one)

    def _want(self, waiting: WaitingCall, one: Slice) -> Want:
        least = waiting.sought.worst - one.available
        shortest = max(waiting.whole.shortest - one.available, 0)
        if waiting.sought is not waiting.whole:
            return Want(one.budget, one.limit, least, least, shortest)
        everybody = sum(
            other.whole.worst for other in self._waiting if any(budget == one.budget for budget, _ in other.covering)
        )
        most = max(least, everybody - one.available)
        if not one.is_wanted:
            most = max(most, CALLS_AT_ONCE * waiting.whole.worst)
        return Want(one.budget, one.limit, least, most, shortest)

    # Reporting

    def _is_active(self, one: Slice) -> None:
        self._active[one] = None
        if self._reporting is None:
            self._reporting = _beside(self._report_while_active())

    async def _report_while_active(self) -> None:
        try:
            while self._active:
                await _until(self._report_soon, REPORT_SECONDS * (0.9 + 0.2 * random.random()))  # noqa: S311
                if self._report_soon.is_set() and not self._closing:
                    await asyncio.sleep(EARLY_REPORT_SECONDS)
                self._report_soon.clear()
                try:
                    async with self._line:
                        await self._report()
                    self._away.is_over()
                except StoreUnavailable as error:
                    self._away.goes_on(error.message)
                    await asyncio.sleep(ASK_AGAIN_SECONDS)
                else:
                    if self._closing:
                        return
                if self._closing:
                    self._report_soon.set()
        finally:
            self._reporting = None

    async def _report(self) -> None:
        self._forgot()
        self._give_back()
        news = {one: report for one in self._active if (report := one.news()) is not None}
        if not self._active:
            return
        self._number += 1
        holder = self._holder
        wanted = await self._ledger.report(holder, self._number, list(news.values()))
        if not self._is_still(holder):
            return
        for one, report in news.items():
            one.reported(report)
        until = time.monotonic() + WANTED_SECONDS
        for budget in wanted:
            if (one := self._slices.get(budget)) is not None:
                one.wanted_until = until
                if one.available > 0 and budget not in self._lacked:
                    self._report_soon.set()
        self._active = {one: None for one in self._active if not one.is_at_rest}

    def _give_back(self) -> None:
        now = time.monotonic()
        for one in self._active:
            if one.day is not None and not one.lives:
                one.lapse()
            elif self._closing or (
                one.budget not in self._lacked and (one.is_wanted or now - one.used_at >= IDLE_SECONDS)
            ):
                one.give_back()

    def _forget_other_days(self, today: date) -> None:
        self._slices = {budget: one for budget, one in self._slices.items() if one.day in (None, today)}

    def _is_still(self, holder: UUID) -> bool:
        """Whether the worker is the one it was, whose slices these are: somebody else may have noticed before."""
        self._forgot()
        return self._holder == holder

    def _forgot(self) -> None:
        """Where the worker is another one by now, the slices of the one it was are the store's to close."""
        if (holder := self._present_holder()) != self._holder:
            self._holder = holder
            self._slices.clear()
            self._active.clear()


def _beside(work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
    return asyncio.get_running_loop().create_task(work, context=Context())


async def _until(event: asyncio.Event, seconds: float) -> None:
    """Returns when it is set, or after so long."""
    if seconds > 0:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await event.wait()
