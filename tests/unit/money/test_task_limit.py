"""A task's own money: reserved before each call, shared by calls at the same time, never free after a crash."""

import asyncio

import pytest

from roadworthy import Limits
from roadworthy.core.attempt import Draft
from roadworthy.core.money.money import Money
from roadworthy.domain.budget import ChargeState
from roadworthy.domain.errors import BudgetUsedUp, Fenced, HandoverRequested, LimitReached, StoreUnavailable
from roadworthy.domain.journal import EntryKind

from .workers import PRICES, TOKEN, Bank, model_input, until, virtually


def test_a_call_is_in_the_ledger_before_it_is_made_and_settled_with_its_entry():
    async def main() -> None:
        bank = Bank()
        worker = await bank.worker()
        attempt = await bank.attempt(worker)
        reservation = await worker.reserve(attempt, 100)
        (charge,) = bank.database.money.charges.values()
        assert (charge.state, charge.new.estimate, charge.new.key) == (ChargeState.OPEN, 100 * TOKEN, "m1")
        assert (attempt.purse.under_way, attempt.purse.spent) == (100 * TOKEN, 0)
        settlement = reservation.settlement(7 * TOKEN, {"output_tokens": 7})
        assert attempt.purse.under_way == 7 * TOKEN
        await attempt.record(Draft("m1", EntryKind.MODEL, b"", {"cost": 7 * TOKEN}, settlement))
        assert (charge.state, charge.cost, charge.journaled, charge.output_tokens) == ("settled", 7 * TOKEN, True, 7)
        assert (attempt.purse.under_way, attempt.purse.spent, attempt.whole_usage.cost) == (0, 7 * TOKEN, 7 * TOKEN)
        assert bank.store.calls["budget_ledger.charge"] == 1
        assert not bank.store.calls["budget_ledger.draw"]
        await worker.money.close()

    virtually(main)


def test_calls_at_the_same_time_share_the_limit_and_wait_for_each_other():
    async def main() -> None:
        bank = Bank()
        worker = await bank.worker()
        attempt = await bank.attempt(worker, limits=Limits(cost_usd="0.25"))
        ended: list[int] = []

        async def call(number: int, tokens: int) -> None:
            await worker.call(attempt, tokens, written=10)
            ended.append(number)

        began = asyncio.get_running_loop().time()
        await asyncio.gather(call(1, 200), call(2, 200), call(3, 40))
        # The third fits beside the second, and comes after it all the same.
        assert ended == [1, 2, 3]
        assert asyncio.get_running_loop().time() - began == pytest.approx(2, abs=0.1)
        assert attempt.purse.spent == 30 * TOKEN
        await worker.money.close()

    virtually(main)


def test_an_answer_is_made_shorter_before_the_call_is_given_up():
    async def main() -> None:
        bank = Bank()
        worker = await bank.worker()
        attempt = await bank.attempt(worker, limits=Limits(cost_usd="0.25"))
        shorter = await worker.reserve(attempt, None)
        assert shorter.output_tokens == 250
        assert str(shorter.cut()).startswith(
            "the answer was cut short: the task's own $0.25 did not pay for more of it"
        )
        await shorter.settle(200 * TOKEN)
        with pytest.raises(LimitReached, match=r"used up its \$0\.25: what is left, \$0\.05, does not pay") as refused:
            await worker.reserve(attempt, 100)
        assert not isinstance(refused.value, BudgetUsedUp)
        within = await worker.reserve(attempt, 50)
        assert within.output_tokens is None
        within.uncertain()
        assert attempt.purse.left == 0
        with pytest.raises(LimitReached):
            attempt.check_limits()
        assert attempt.whole_usage.cost == 250 * TOKEN
        await worker.money.close()
        assert bank.states == {ChargeState.SETTLED: 1, ChargeState.UNCERTAIN: 1}

    virtually(main)


def test_without_a_ledger_the_limit_holds_all_the_same():
    async def main() -> None:
        bank = Bank()
        attempt = await bank.attempt(await bank.worker(), limits=Limits(cost_usd="0.1"))
        reservation = await Money.none().reserve(attempt, PRICES, "m", model_input(90), "m1")
        assert attempt.purse.left == 10 * TOKEN
        await reservation.settle(90 * TOKEN)
        with pytest.raises(LimitReached):
            await Money.none().reserve(attempt, PRICES, "m", model_input(90), "m2")

    virtually(main)


def test_the_next_attempt_counts_what_the_last_one_left_behind():
    async def main() -> None:
        bank = Bank()
        first, second = await bank.worker(), await bank.worker()
        attempt = await bank.attempt(first, limits=Limits(cost_usd="1"))
        await first.call(attempt, 100, written=30)
        await (await first.reserve(attempt, 100, "m2")).settle(5 * TOKEN)
        (await first.reserve(attempt, 100, "m2")).uncertain()
        await first.reserve(attempt, 100, "m2")  # its worker dies here
        await asyncio.sleep(1)
        again = await bank.handed_over(attempt, second)
        again.replay(attempt.entries())
        await second.money.take_over(again)
        assert again.purse.spent == (30 + 5 + 100 + 100) * TOKEN
        assert again.whole_usage.cost == again.purse.spent
        assert bank.states == {ChargeState.SETTLED: 2, ChargeState.UNCERTAIN: 2}
        with pytest.raises(Fenced):
            await first.reserve(attempt, 100, "m3")
        await second.money.close()

    virtually(main)


def test_what_is_open_when_the_attempt_ends_is_uncertain_and_counts():
    async def main() -> None:
        bank = Bank(user_day=1_000_000)
        worker = await bank.worker()
        attempt = await bank.attempt(worker)
        await worker.reserve(attempt, 100)
        (await worker.reserve(attempt, 100, "m2")).settlement(20 * TOKEN, {})
        attempt.purse.close()
        assert attempt.whole_usage.cost == 120 * TOKEN
        assert attempt.purse.under_way == 0
        await worker.money.close()
        assert bank.states == {ChargeState.SETTLED: 1, ChargeState.UNCERTAIN: 1}
        assert bank.given == bank.spent == 120 * TOKEN

    virtually(main)


@pytest.mark.parametrize("after", [0, 0.001, 0.004, 0.006, 0.008, 0.0099])
def test_a_call_that_was_cancelled_before_it_was_made_costs_nothing(after: float):
    async def main() -> None:
        bank = Bank(user_day=1_000_000)
        worker = await bank.worker()
        attempt = await bank.attempt(worker)
        reserving = asyncio.create_task(worker.reserve(attempt, 100))
        await asyncio.sleep(after)
        reserving.cancel()
        await asyncio.wait([reserving])
        assert reserving.cancelled()
        await worker.money.close()
        assert (attempt.purse.under_way, attempt.purse.spent) == (0, 0)
        assert not bank.states[ChargeState.OPEN]
        assert bank.given == bank.spent == 0

    virtually(main)


def test_who_waits_for_money_is_told_when_his_worker_drains():
    async def main() -> None:
        bank = Bank()
        worker = await bank.worker()
        attempt = await bank.attempt(worker, limits=Limits(cost_usd="0.1"))
        await worker.reserve(attempt, 90)
        waiting = asyncio.create_task(worker.reserve(attempt, 90, "m2"))
        await asyncio.sleep(1)
        attempt.interruption = HandoverRequested()
        with pytest.raises(HandoverRequested):
            await waiting
        assert attempt.purse.under_way == 90 * TOKEN
        await worker.money.close()

    virtually(main)


def test_reserving_outlives_a_store_that_is_away_for_a_while():
    async def main() -> None:
        bank = Bank(user_day=1_000_000)
        worker = await bank.worker()
        attempt = await bank.attempt(worker)
        bank.store.away = True
        reserving = asyncio.create_task(worker.reserve(attempt, 100))
        await asyncio.sleep(60)
        assert not reserving.done()
        bank.store.away = False
        await reserving
        assert bank.given >= 100 * TOKEN
        await worker.money.close()

    virtually(main)


def test_what_earlier_generations_spent_counts_once_though_the_store_failed_in_between():
    async def main() -> None:
        bank = Bank()
        worker = await bank.worker()
        attempt = await bank.attempt(worker)
        await (await worker.reserve(attempt, 100)).settle(50 * TOKEN)
        await asyncio.sleep(1)
        bank.database.tasks[attempt.task.id].generation = 1
        resumed = await bank.handed_over(attempt, worker)
        taking_over = asyncio.create_task(worker.money.take_over(resumed))
        await asyncio.sleep(0.001)  # the first of two questions is under way; the second one fails
        bank.store.fails["budget_ledger.take_over"] = "never"
        with pytest.raises(StoreUnavailable):
            await taking_over
        await worker.money.take_over(resumed)
        assert (resumed.purse.spent_before, resumed.purse.spent) == (50 * TOKEN, 0)
        assert resumed.whole_usage.cost == 50 * TOKEN
        await worker.money.close()

    virtually(main)


@pytest.mark.parametrize("when", ["waits for the budget", "is served", "is written"])
def test_a_call_that_is_still_being_reserved_when_the_attempt_ends_costs_nothing(when: str):
    async def main() -> None:
        bank = Bank(user_day=1_000_000)
        worker = await bank.worker()
        held = await worker.reserve(await bank.attempt(worker), 500)
        attempt = await bank.attempt(worker)
        reserving = asyncio.create_task(worker.reserve(attempt, 400 if when == "is written" else 900))
        if when == "is written":
            await until(lambda: bank.store.calls["budget_ledger.charge"] == 2)
        else:
            await asyncio.sleep(1)
        if when == "is served":
            await held.settle(0)
            (waiting,) = worker.money._budgets._waiting
            await until(waiting.answer.done, 0)
        attempt.over = True
        attempt.purse.close()
        assert attempt.whole_usage.cost == attempt.purse.under_way == 0
        with pytest.raises(Fenced):
            await reserving
        await asyncio.sleep(1)
        assert attempt.whole_usage.cost == attempt.purse.under_way == 0
        await held.settle(0)
        await worker.money.close()
        assert bank.given == bank.spent == 0
        assert set(bank.states) == {ChargeState.SETTLED}

    virtually(main)


def test_a_charge_that_was_written_unheard_and_then_refused_ends_at_nothing():
    async def main() -> None:
        bank = Bank(user_day=1_000_000)
        worker = await bank.worker()
        attempt = await bank.attempt(worker)
        bank.store.fails["budget_ledger.charge"] = "lost"
        reserving = asyncio.create_task(worker.reserve(attempt, 100))
        await until(lambda: bool(bank.database.money.charges))
        await bank.handed_over(attempt, worker)
        with pytest.raises(Fenced):
            await reserving
        await worker.money.close()
        assert bank.states == {ChargeState.SETTLED: 1}
        assert bank.given == bank.spent == attempt.purse.under_way == 0

    virtually(main)


def test_a_call_waits_for_as_long_as_others_of_its_task_are_under_way():
    async def main() -> None:
        bank = Bank(user_day=1_000_000)
        worker = await bank.worker()
        attempt = await bank.attempt(worker, limits=Limits(cost_usd="0.25"))
        long = await worker.reserve(attempt, None)
        waiting = asyncio.create_task(worker.reserve(attempt, None, "m2"))
        await asyncio.sleep(25)
        assert not waiting.done()
        await long.settle(40 * TOKEN)
        assert (await waiting).output_tokens == 210
        await (await waiting).settle(0)
        await worker.money.close()

    virtually(main)
