"""Budgets above the tasks, spent by several workers at once."""

import asyncio
from collections.abc import Sequence

import pytest

from roadworthy import Limits
from roadworthy.adapters.memory.budget_accounts import MemoryBudgetAccounts
from roadworthy.core.money.reservation import Reservation
from roadworthy.domain.budget import ChargeState
from roadworthy.domain.errors import BudgetUsedUp
from roadworthy.domain.ids import new_id

from .workers import ANN, ANNS_DAY, BOB, CAROL, DOLLAR, TOKEN, Bank, until, virtually


def test_most_calls_need_one_round_trip_and_a_slice_is_drawn_for_many_of_them():
    async def main() -> None:
        bank = Bank(user_day=100 * DOLLAR, tenant_month=1000 * DOLLAR, global_month=9000 * DOLLAR)
        worker = await bank.worker()
        attempt = await bank.attempt(worker)
        for _ in range(40):
            await worker.call(attempt, 100, written=90, seconds=0.01)
        assert bank.store.calls["budget_ledger.charge"] == 40
        assert bank.store.calls["budget_ledger.draw"] <= 4
        assert bank.store.calls["budget_ledger.settle"] == 0
        await worker.money.close()
        assert bank.given == bank.spent == 3 * 40 * 90 * TOKEN

    virtually(main)


def test_what_is_not_used_goes_back_after_some_seconds_and_an_idle_worker_says_nothing():
    async def main() -> None:
        bank = Bank(user_day=100 * DOLLAR)
        worker = await bank.worker()
        await worker.call(await bank.attempt(worker), 100, written=10)
        assert bank.slices(worker) > 1000 * TOKEN
        await asyncio.sleep(8)
        assert bank.given == bank.spent == 10 * TOKEN
        bank.store.calls.clear()
        await asyncio.sleep(3600)
        assert not bank.store.calls
        # It goes on from what it was.
        await worker.call(await bank.attempt(worker), 100, written=10)
        await worker.money.close()
        assert bank.given == bank.spent == 20 * TOKEN

    virtually(main)


def test_one_worker_gives_back_what_another_one_lacks():
    async def main() -> None:
        bank = Bank(user_day=1 * DOLLAR)
        rich, poor = await bank.worker(), await bank.worker()
        for worker in (rich, rich, rich):
            await worker.call(await bank.attempt(worker), 60, written=10, seconds=0)
        assert bank.slices(rich) >= 60 * TOKEN
        began = asyncio.get_running_loop().time()
        reservation = await poor.reserve(await bank.attempt(poor), 950)
        assert reservation.output_tokens is None
        assert asyncio.get_running_loop().time() - began < 3
        await reservation.settle(950 * TOKEN)
        await asyncio.gather(rich.money.close(), poor.money.close())
        assert bank.given == bank.spent == 980 * TOKEN

    virtually(main)


def test_calls_wait_in_their_order_while_money_is_under_way():
    async def main() -> None:
        bank = Bank(user_day=100 * TOKEN)
        worker = await bank.worker()
        ended: list[int] = []

        async def call(number: int) -> None:
            await worker.call(await bank.attempt(worker), 90, written=1, seconds=0.2)
            ended.append(number)

        calls = []
        for number in range(10):
            calls.append(asyncio.create_task(call(number)))
            await asyncio.sleep(0.03)
        await asyncio.gather(*calls)
        assert ended == list(range(10))
        await worker.money.close()
        assert bank.given == bank.spent == 10 * TOKEN

    virtually(main)


def test_others_users_do_not_wait_behind_one_whose_budget_is_short():
    async def main() -> None:
        bank = Bank(user_day=100 * TOKEN, global_month=100 * DOLLAR)
        worker = await bank.worker()
        held = await worker.reserve(await bank.attempt(worker, ANN), 90)
        waits = asyncio.create_task(worker.reserve(await bank.attempt(worker, ANN), 90))
        await asyncio.sleep(1)
        async with asyncio.timeout(0.1):
            of_bob = await worker.reserve(await bank.attempt(worker, BOB), 90)
        assert not waits.done()
        await held.settle(0)
        for each in (await waits, of_bob):
            await each.settle(TOKEN)
        await worker.money.close()

    virtually(main)


@pytest.mark.parametrize(("scope", "words"), [("user_day", "the daily budget of ann"), ("global_month", "everybody")])
def test_the_last_of_a_budget_buys_a_shorter_answer_and_then_it_is_used_up(scope: str, words: str):
    async def main() -> None:
        bank = Bank(**{scope: 100 * TOKEN})
        worker, other = await bank.worker(), await bank.worker()
        shorter = await worker.reserve(await bank.attempt(worker), 4000)
        assert shorter.output_tokens == 100
        assert isinstance(shorter.cut(), BudgetUsedUp)
        assert words in str(shorter.cut())
        await shorter.settle(70 * TOKEN)
        begin = asyncio.get_running_loop().time()
        with pytest.raises(BudgetUsedUp, match=rf"{words}.*, \$0\.1, is used up; it opens again in \d+ (h|d)"):
            await other.reserve(await bank.attempt(other), 4000)
        assert asyncio.get_running_loop().time() - begin < 3
        # What is left is enough for a small one.
        small = await other.reserve(await bank.attempt(other), 30)
        await small.settle(30 * TOKEN)
        await asyncio.gather(worker.money.close(), other.money.close())
        assert bank.given == bank.spent == 100 * TOKEN

    virtually(main)


def test_nobody_waits_longer_than_his_patience_for_money_that_does_not_come_back():
    async def main() -> None:
        bank = Bank(user_day=100 * TOKEN)
        lost, worker = await bank.worker(), await bank.worker()
        await lost.reserve(await bank.attempt(lost), 90)
        began = asyncio.get_running_loop().time()
        with pytest.raises(BudgetUsedUp, match="held for calls under way"):
            await worker.reserve(await bank.attempt(worker, limits=Limits(step_seconds=8, cost_usd="9")), 90)
        assert 4 <= asyncio.get_running_loop().time() - began < 5
        await worker.money.close()
        await lost.money.close()

    virtually(main)


def test_a_call_dearer_than_its_estimate_takes_the_rest_from_the_budget():
    async def main() -> None:
        bank = Bank(user_day=1000 * TOKEN)
        worker = await bank.worker()
        attempt = await bank.attempt(worker)
        await (await worker.reserve(attempt, 100)).settle(700 * TOKEN)
        await asyncio.sleep(2)
        assert bank.spent == 700 * TOKEN
        await (await worker.reserve(attempt, 300)).settle(300 * TOKEN)
        with pytest.raises(BudgetUsedUp):
            await worker.reserve(attempt, 100)
        await worker.money.close()
        assert bank.given == bank.spent == 1000 * TOKEN

    virtually(main)


def test_slices_lapse_at_midnight_and_the_new_day_has_new_money():
    async def main() -> None:
        bank = Bank(user_day=200 * TOKEN, tenant_month=10_000 * TOKEN)
        worker = await bank.worker()
        attempt = await bank.attempt(worker, limits=Limits(step_seconds=60, cost_usd="9"))
        await asyncio.sleep(16 * 3600 - 1)  # it was eight in the morning
        before = await worker.reserve(attempt, 200)
        with pytest.raises(BudgetUsedUp, match="held for calls under way"):
            await worker.reserve(await bank.attempt(worker, limits=Limits(step_seconds=1, cost_usd="9")), 100)
        await asyncio.sleep(1)
        after = await worker.reserve(attempt, 200)
        days = [charge.day.day for charge in bank.database.money.charges.values()]
        assert days == [15, 16]
        await before.settle(150 * TOKEN)
        await after.settle(20 * TOKEN)
        await worker.money.close()
        rows = bank.database.money.budgets
        assert [row.given for (budget, _), row in rows.items() if budget == ANNS_DAY] == [150 * TOKEN, 20 * TOKEN]
        assert bank.given == bank.spent == 2 * 170 * TOKEN

    virtually(main)


def test_a_worker_that_lost_its_lease_draws_anew_and_leaves_the_old_slices_to_the_store():
    async def main() -> None:
        bank = Bank(user_day=10 * DOLLAR)
        worker = await bank.worker()
        before, attempt = worker.id, await bank.attempt(worker)
        old = await worker.reserve(attempt, 100)
        worker.id = new_id()
        fresh = await worker.reserve(attempt, 100)
        charges = list(bank.database.money.charges.values())
        assert [charge.new.holder for charge in charges] == [before, worker.id]
        await old.settle(10 * TOKEN)
        await fresh.settle(10 * TOKEN)
        await worker.money.close()
        of_new = [row for (holder, _, _), row in bank.database.money.slices.items() if holder == worker.id]
        assert [(row.amount, row.spent) for row in of_new] == [(10 * TOKEN, 10 * TOKEN)]

    virtually(main)


@pytest.mark.parametrize("fails", [None, "never", "lost"])
def test_a_draw_that_is_under_way_while_the_worker_becomes_another_one_says_nothing_of_the_new_one(fails: str | None):
    async def main() -> None:
        bank = Bank(user_day=20 * DOLLAR)
        worker = await bank.worker()
        attempt = await bank.attempt(worker)
        await worker.call(attempt, 100)
        if fails:
            bank.store.fails["budget_ledger.draw"] = fails
        dear = asyncio.create_task(worker.reserve(attempt, 5000, "m2"))
        await until(lambda: bank.store.calls["budget_ledger.draw"] == 2)
        worker.id = new_id()
        cheap = await worker.reserve(attempt, 100, "m3")  # is the first to notice
        for reservation in (cheap, await dear):
            await reservation.settle(10 * TOKEN)
        await worker.money.close()
        of_new = [row for (holder, _, _), row in bank.database.money.slices.items() if holder == worker.id]
        assert [(row.amount, row.spent) for row in of_new] == [(20 * TOKEN, 20 * TOKEN)]

    virtually(main)


@pytest.mark.parametrize("operation", ["draw", "report", "charge", "settle"])
@pytest.mark.parametrize("fails", ["never", "lost"])
def test_no_money_is_lost_or_made_when_an_answer_of_the_store_is(operation: str, fails: str):
    async def main() -> None:
        bank = Bank(user_day=10 * DOLLAR)
        worker = await bank.worker()
        attempt = await bank.attempt(worker)
        held: Sequence[Reservation] = []
        for round in range(5):
            bank.store.fails[f"budget_ledger.{operation}"] = fails
            held = [await worker.reserve(attempt, 700) for _ in range(3)]
            for each in held:
                await each.settle(10 * TOKEN)
            await asyncio.sleep((0.3, 2, 9)[round % 3])
        bank.store.fails.clear()
        await worker.money.close()
        assert bank.given == bank.spent == 150 * TOKEN
        assert bank.states == {ChargeState.SETTLED: 15}

    virtually(main)


def test_a_waiting_call_that_is_cancelled_makes_way():
    async def main() -> None:
        bank = Bank(user_day=100 * TOKEN)
        worker = await bank.worker()
        held = await worker.reserve(await bank.attempt(worker), 50)
        large = asyncio.create_task(worker.reserve(await bank.attempt(worker), 90))
        await asyncio.sleep(0.1)
        small = asyncio.create_task(worker.reserve(await bank.attempt(worker), 50))
        await asyncio.sleep(0.5)
        assert not small.done()
        large.cancel()
        async with asyncio.timeout(0.5):
            await (await small).settle(0)
        await held.settle(0)
        await worker.money.close()
        assert bank.given == bank.spent == 0

    virtually(main)


def test_what_a_call_did_not_cost_is_free_only_when_the_ledger_knows():
    """If the worker dies before its entry is committed, the ledger takes the whole estimate for spent."""

    async def main() -> None:
        bank = Bank(user_day=300 * TOKEN)
        dying, other = await bank.worker(), await bank.worker()
        attempt = await bank.attempt(dying)
        # The answer is there; its entry never comes to the store.
        (await dying.reserve(attempt, 200)).settlement(10 * TOKEN, {})
        await asyncio.sleep(9)
        assert bank.given == 200 * TOKEN
        second = await other.reserve(await bank.attempt(other), 250)
        assert second.output_tokens == 100
        await second.settle(100 * TOKEN)
        await other.money.close()
        bank.database.end_lease(dying.id)
        await bank.handed_over(attempt, other)
        await MemoryBudgetAccounts(bank.database).settle_lost()
        assert bank.given == bank.spent == 300 * TOKEN
        assert bank.states == {ChargeState.SETTLED: 1, ChargeState.UNCERTAIN: 1}

    virtually(main)


def test_a_budget_that_still_pays_for_shorter_answers_takes_new_tasks():
    async def main() -> None:
        bank = Bank(user_day=1 * DOLLAR)
        worker = await bank.worker()
        accounts = MemoryBudgetAccounts(bank.database)
        attempt = await bank.attempt(worker)
        await (await worker.reserve(attempt, 900)).settle(900 * TOKEN)
        await asyncio.sleep(8)
        shortened = await worker.reserve(attempt, 200)
        assert shortened.output_tokens == 100
        await shortened.settle(5 * TOKEN)
        await asyncio.sleep(8)
        assert await accounts.used_up(bank.limits) == []
        await (await worker.reserve(attempt, 200)).settle(60 * TOKEN)
        await asyncio.sleep(1)  # what the store said last is believed for a moment
        with pytest.raises(BudgetUsedUp):
            await worker.reserve(attempt, 200)
        await asyncio.sleep(8)
        assert len(await accounts.used_up(bank.limits)) == 1
        await worker.money.close()

    virtually(main)


def test_cheap_calls_of_others_do_not_wait_behind_a_dear_one_that_does_not_fit():
    async def main() -> None:
        bank = Bank(global_month=10 * DOLLAR)
        worker, loop = await bank.worker(), asyncio.get_running_loop()
        held = await worker.reserve(await bank.attempt(worker, ANN), 6000)
        dear = asyncio.create_task(worker.reserve(await bank.attempt(worker, ANN), 5000))
        await asyncio.sleep(0.1)
        began = loop.time()
        for _ in range(20):
            cheap = await worker.reserve(await bank.attempt(worker, BOB), 10)
            assert cheap.output_tokens is None
            await cheap.settle(10 * TOKEN)
        assert loop.time() - began < 2
        assert not dear.done()
        await held.settle(0)
        assert (await dear).output_tokens is None
        await (await dear).settle(0)
        await worker.money.close()
        assert bank.given == bank.spent == 200 * TOKEN

    virtually(main)


def test_who_is_served_less_than_he_wanted_leaves_a_part_to_others_that_wait():
    async def main() -> None:
        bank = Bank(global_month=10 * DOLLAR)
        worker = await bank.worker()
        held = await worker.reserve(await bank.attempt(worker, CAROL), 6000)
        dear = [asyncio.create_task(worker.reserve(await bank.attempt(worker, who), 5000)) for who in (ANN, BOB)]
        shares = [each.output_tokens or 0 for each in await asyncio.gather(*dear)]
        assert min(shares) >= 1900
        assert sum(shares) <= 4000
        for each in (held, *(await asyncio.gather(*dear))):
            await each.settle(0)
        await worker.money.close()
        assert bank.given == bank.spent == 0

    virtually(main)
