"""Reserves what a call of a provider costs at most, and settles what it did cost."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from contextvars import Context
from functools import partial
from typing import TYPE_CHECKING
from uuid import UUID

import structlog

from roadworthy.core.committed_together import CommittedTogether
from roadworthy.core.model_gateway.prices import Prices
from roadworthy.core.money.budget_money import BudgetMoney
from roadworthy.core.money.priced_call import PricedCall
from roadworthy.core.money.reservation import ChargeWrite, Reservation
from roadworthy.core.money.waiting_call import Covering
from roadworthy.domain.budget import BudgetLimits, ChargeSettlement, NewCharge
from roadworthy.domain.errors import Fenced, InternalError, LimitReached, RoadworthyError, StoreUnavailable
from roadworthy.domain.keepable import foreign_words
from roadworthy.domain.model_input import ModelInput
from roadworthy.domain.money import dollars
from roadworthy.domain.principal import Principal
from roadworthy.ports.budget_ledger import BudgetLedger

if TYPE_CHECKING:
    from roadworthy.core.attempt import Attempt

LONGEST_WAIT_SECONDS = 15.0
"""For money that is under way elsewhere."""
LOOK_SECONDS = 0.25
"""How often one who waits looks whether the attempt must end."""
MOST_PRINCIPALS = 10_000
"""Whose budgets are kept in mind."""
CLOSING_SECONDS = 5.0
"""How long a worker that stops waits for the store to hear of its last calls."""

log = structlog.get_logger()


class Money:
    """The money of one worker. `holder` says under which id it is registered now: whose slices it spends from."""

    def __init__(self, ledger: BudgetLedger, limits: BudgetLimits, holder: Callable[[], UUID]) -> None:
        self._ledger = ledger
        self._limits = limits
        self._holder = holder
        self._charge = CommittedTogether(ledger.charge)
        self._settle = CommittedTogether(partial(_settle_all, ledger))
        self._budgets = BudgetMoney(ledger, holder)
        self._covers: dict[Principal, Covering] = {}
        self._closed = False
        self._background: set[asyncio.Task[None]] = set()

    @staticmethod
    def none() -> Money:
        """Without a ledger: only each task's own limit holds."""
        return _NoLedger()

    async def reserve(self, attempt: Attempt, prices: Prices, model: str, input: ModelInput, key: str) -> Reservation:
        """Keep what the call may cost, of the task's limit and of every budget that covers it, and write it down.

        `key` is that of the reply's journal entry. Waits while money that may come back is under way, then makes the
        answer shorter. Raises LimitReached where the task's own money does not suffice, BudgetUsedUp where a budget's
        does not, Fenced when a newer attempt owns the task.
        """
        call = PricedCall(prices, model, input.input_tokens, input.output_tokens, input.is_kept_for_an_hour)
        reservation = Reservation(self, attempt, call)
        with attempt.progress:
            try:
                await _from_the_purse(attempt, reservation)
                give_up = time.monotonic() + min(attempt.limits.step_seconds / 2, LONGEST_WAIT_SECONDS)
                await self._from_the_ledger(attempt, reservation, key, give_up)
                # That took its time: the call comes next, and nobody makes one whose lease is in doubt.
                await attempt.permit()
                reservation.made_next()
            except BaseException:
                reservation.not_made()
                raise
        return reservation

    async def take_over(self, attempt: Attempt) -> None:
        """Have the attempt's purse know what earlier attempts spent without a journal entry. What they left open counts
        as spent. Raises StoreUnavailable."""
        task = attempt.task
        spent = [await self._ledger.take_over(task.id, task.attempt, each) for each in range(task.generation + 1)]
        # Only when all is known: after a failure it is asked for anew.
        attempt.purse.outside_journal = spent.pop()
        attempt.purse.spent_before = sum(spent)

    async def close(self) -> None:
        """Write what is to be written and give all money back. What the store does not hear in time, upkeep finds."""
        self._closed = True
        if self._background:
            _, late = await asyncio.wait(self._background, timeout=CLOSING_SECONDS)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        await self._charge.close()
        await self._settle.close()
        await self._budgets.close(CLOSING_SECONDS)

    def settle(self, settlement: ChargeSettlement, write: ChargeWrite | None, then: Callable[[], None]) -> None:
        """End a charge that no journal entry ends, in the background; `write` is how it came into the ledger, `then` is
        called when the ledger knows its end."""
        if not self._closed:
            settling = self._settled(settlement, write, then)
            task = asyncio.get_running_loop().create_task(settling, context=Context())
            self._background.add(task)
            task.add_done_callback(self._background.discard)

    async def _from_the_ledger(self, attempt: Attempt, reservation: Reservation, key: str, give_up: float) -> None:
        task = attempt.task
        holder, day = self._holder(), None
        if reservation.call.worst and (covering := self._covering(task.principal)):
            must_end = partial(_must_end, attempt)
            share = await self._budgets.take(task.principal, covering, reservation.call, give_up, must_end)
            reservation.shared(share)
            holder, day = share.holder, share.day
        charge = NewCharge(
            id=reservation.charge_id,
            fence=attempt.claimed.fence,
            key=key,
            principal=task.principal,
            agent=task.agent,
            version=task.version,
            model=reservation.call.model,
            estimate=reservation.call.worst,
            holder=holder,
            day=day,
        )
        if not await self._written(attempt, charge, reservation):
            raise Fenced

    def _covering(self, principal: Principal) -> Covering:
        if (covering := self._covers.get(principal)) is None:
            if len(self._covers) >= MOST_PRINCIPALS:
                self._covers.clear()
            covering = self._covers[principal] = self._limits.covering(principal)
        return covering

    async def _written(self, attempt: Attempt, charge: NewCharge, reservation: Reservation) -> bool:
        pause, may_be_there = 0.05, False
        while True:
            if (end := _must_end(attempt)) is not None:
                raise end
            try:
                reservation.write = ChargeWrite(charge, self._charge.put(charge))
                if allowed := await asyncio.shield(reservation.write.outcome):
                    return allowed
                if not may_be_there:
                    reservation.write = None
                return False
            except StoreUnavailable:
                may_be_there = True
                await asyncio.sleep(pause)
                pause = min(pause * 2, 1)
            except RoadworthyError:
                raise
            except Exception as error:
                raise InternalError(
                    f"Roadworthy could not reserve money for {charge.key} "
                    f"({type(error).__name__}: {foreign_words(error)})"
                ) from error

    async def _settled(self, settlement: ChargeSettlement, write: ChargeWrite | None, then: Callable[[], None]) -> None:
        if write is not None:
            await asyncio.wait([write.outcome])
        pause = 0.05
        while True:
            try:
                if write is not None and not write.is_acknowledged:
                    # It may be there, or arrive late and stay open for good. Once it is answered it can't any more:
                    # either it is there, or its fence is old.
                    await self._charge(write.charge)
                await self._settle(settlement)
                then()
                return
            except StoreUnavailable:
                if self._closed:
                    return
                await asyncio.sleep(pause)
                pause = min(pause * 2, 1)
            except Exception:
                log.exception("charge_not_settled", charge=str(settlement.charge_id))
                return


class _NoLedger(Money):
    def __init__(self) -> None:
        pass

    async def take_over(self, attempt: Attempt) -> None: ...

    async def close(self) -> None: ...

    def settle(self, settlement: ChargeSettlement, write: ChargeWrite | None, then: Callable[[], None]) -> None: ...

    async def _from_the_ledger(self, attempt: Attempt, reservation: Reservation, key: str, give_up: float) -> None: ...


async def _from_the_purse(attempt: Attempt, reservation: Reservation) -> None:
    purse, call = attempt.purse, reservation.call
    async with purse.turn:
        while call.worst > purse.left:
            if purse.under_way:
                # Calls of the task itself: each ends, and seldom costs all that is held for it.
                await purse.change(LOOK_SECONDS)
                if (end := _must_end(attempt)) is not None:
                    raise end
            elif (shorter := call.within(purse.left, f"the task's own ${attempt.limits.cost_usd}")) is not None:
                call = shorter
            else:
                raise LimitReached(
                    f"the task used up its ${attempt.limits.cost_usd}: what is left, ${dollars(purse.left)}, does not "
                    f"pay for another call of {call.model}; raise limits.cost_usd if its work costs more"
                )
        reservation.hold(call)


def _must_end(attempt: Attempt) -> RoadworthyError | None:
    if attempt.over:
        return attempt.interruption or Fenced()
    return attempt.interruption


async def _settle_all(ledger: BudgetLedger, settlements: Sequence[ChargeSettlement]) -> Sequence[None]:
    await ledger.settle(settlements)
    return [None] * len(settlements)
