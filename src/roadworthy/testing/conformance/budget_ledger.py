"""What every `BudgetLedger` must do."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from uuid import uuid4

import pytest

from roadworthy.domain.budget import Budget, BudgetLimits, BudgetScope, ChargeState
from roadworthy.domain.journal import Appended, NotStorable, Refused
from roadworthy.domain.task import TaskStatus
from roadworthy.ports.budget_ledger import SliceReport, Want
from roadworthy.testing.conformance.money_scenario import (
    ACMES,
    ALICES,
    EVERYBODYS,
    LIMIT,
    ONLY_USERS,
    Holder,
    charge_one,
    entry_with,
    given_and_spent,
    holder,
    line,
    new_charge,
    settled,
    spender,
    standing,
)
from roadworthy.testing.conformance.scenario import (
    ALICE,
    LANE,
    claim_one,
    entry,
    lose_worker,
    new_task,
    register,
    run_one,
    settle,
    submit,
)
from roadworthy.testing.conformance.stores import Stores

DAY = 86_400


class DrawContract:
    """Money on its way from budgets to workers."""

    @pytest.mark.parametrize(
        ("least", "most", "granted"),
        [(100, 8000, 1000), (2000, 8000, 2000), (100, 400, 400), (8000, 8000, 8000), (0, 0, 0)],
        ids=["an eighth", "the least", "the most", "all of it", "nothing wanted"],
    )
    async def test_an_eighth_of_what_is_left_is_given(self, stores: Stores, least: int, most: int, granted: int):
        drawn = await (await holder(stores)).draw(least, most)
        assert (drawn.granted, drawn.left, drawn.outstanding) == (granted, LIMIT - granted, granted)

    async def test_the_day_ends_before_the_month(self, stores: Stores):
        worker = await holder(stores)
        wants = [Want(budget, LIMIT, 1, 1) for budget in (EVERYBODYS, ALICES, ACMES)]
        month, user, tenant = await stores.ledger.draw(worker.id, 1, wants)
        assert month.day == user.day == tenant.day
        assert 0 < user.seconds_left <= DAY
        assert user.seconds_left == user.day_seconds_left == month.day_seconds_left
        assert month.seconds_left == tenant.seconds_left
        days_left = (month.seconds_left - user.seconds_left) / DAY
        assert month.day.day + days_left in (28, 29, 30, 31)

    async def test_nothing_is_given_where_the_least_is_not_left(self, stores: Stores):
        first, second = await holder(stores), await holder(stores)
        await first.draw(7500)
        drawn = await second.draw(501, 1000)
        assert (drawn.granted, drawn.left, drawn.outstanding) == (0, 500, 7500)
        assert (await second.draw(500)).granted == 500

    async def test_a_call_is_refused_only_where_not_even_a_shorter_one_would_do(self, stores: Stores):
        worker, other = await holder(stores), await holder(stores)
        await worker.draw(7500)
        worker.spent = 7500
        await worker.report()
        for number, (shortest, refused) in enumerate([(0, False), (500, False), (501, True)]):
            (drawn,) = await stores.ledger.draw(other.id, number, [Want(ALICES, LIMIT, 600, 900, shortest)])
            assert (drawn.granted, drawn.left) == (0, 500)
            assert bool(await stores.accounts.used_up(ONLY_USERS)) is refused
        small = Budget(BudgetScope.USER_DAY, "acme", "small")
        await stores.ledger.draw(other.id, 9, [Want(small, 500, 600, 900, 500)])
        assert small not in [each.budget for each in await stores.accounts.used_up(BudgetLimits(user_day=500))]

    async def test_each_budget_has_its_own_money(self, stores: Stores):
        worker = await holder(stores)
        users = Budget(BudgetScope.USER_DAY, "acme", "bob"), Budget(BudgetScope.USER_DAY, "rival", "alice")
        budgets = [ALICES, *users, ACMES, Budget(BudgetScope.TENANT_MONTH, "rival"), EVERYBODYS]
        drawn = await stores.ledger.draw(worker.id, 1, [Want(budget, LIMIT, LIMIT, LIMIT) for budget in budgets])
        assert [each.granted for each in drawn] == [LIMIT] * 6

    async def test_answers_come_in_the_order_of_the_wants(self, stores: Stores):
        worker = await holder(stores)
        wants = [Want(EVERYBODYS, 100, 3, 3), Want(ALICES, 100, 1, 1), Want(ACMES, 100, 500, 500)]
        assert [each.granted for each in await stores.ledger.draw(worker.id, 1, wants)] == [3, 1, 0]

    async def test_wanting_nothing_is_answered_with_nothing(self, stores: Stores):
        assert await stores.ledger.draw(uuid4(), 1, []) == []
        assert await stores.ledger.report(uuid4(), 1, []) == []
        assert await stores.ledger.charge([]) == []
        await stores.ledger.settle([])

    async def test_another_limit_holds_from_the_next_draw_on(self, stores: Stores):
        worker = await holder(stores)
        await worker.draw(1000, limit=1000)
        assert (await worker.draw(1, limit=500)).granted == 0
        drawn = await worker.draw(1, 5000, limit=2000)
        assert (drawn.granted, drawn.left) == (125, 875)

    async def test_eight_workers_at_once_get_no_more_than_there_is(self, stores: Stores):
        workers = [await holder(stores) for _ in range(8)]

        async def take_all(worker: Holder) -> int:
            while (await worker.draw(100, 400)).granted:
                pass
            return worker.amount

        taken = await asyncio.gather(*(take_all(worker) for worker in workers))
        assert LIMIT - 100 < sum(taken) <= LIMIT
        assert await given_and_spent(stores) == (sum(taken), 0)

    async def test_workers_that_want_the_same_budgets_in_other_orders_do_not_wait_for_each_other(self, stores: Stores):
        budgets = [EVERYBODYS, ALICES, ACMES, *(Budget(BudgetScope.USER_DAY, "acme", f"user {n}") for n in range(5))]

        async def take(turn: int) -> int:
            worker = await register(stores)
            taken = 0
            for number in range(5):
                wants = [Want(budget, LIMIT, 10, 10) for budget in budgets[turn:] + budgets[:turn]]
                taken += sum(drawn.granted for drawn in await stores.ledger.draw(worker, number, wants))
            return taken

        assert await asyncio.gather(*(take(turn) for turn in range(8))) == [5 * 8 * 10] * 8
        assert await given_and_spent(stores, EVERYBODYS) == (8 * 5 * 10, 0)


class ReportContract:
    """What a worker says of its slices, however often and late it arrives."""

    async def test_what_was_spent_and_given_back_is_known(self, stores: Stores):
        worker = await holder(stores)
        await worker.draw(1000)
        worker.amount, worker.spent = 700, 300
        await worker.report()
        assert await given_and_spent(stores) == (700, 300)
        drawn = await (await holder(stores)).draw(1)
        assert (drawn.left, drawn.outstanding) == (LIMIT - 701, 401)

    async def test_totals_may_be_said_again(self, stores: Stores):
        worker = await holder(stores)
        await worker.draw(1000)
        worker.amount, worker.spent = 700, 300
        for _ in range(3):
            await worker.report()
        assert await given_and_spent(stores) == (700, 300)

    async def test_an_uncertain_cost_that_was_lower_makes_spent_money_less(self, stores: Stores):
        worker = await holder(stores)
        await worker.draw(1000)
        worker.spent = 300
        await worker.report()
        worker.spent = 200
        await worker.give_back()
        assert await given_and_spent(stores) == (200, 200)

    async def test_a_slice_grows_by_what_calls_cost_more_than_it_held(self, stores: Stores):
        worker = await holder(stores)
        await worker.draw(1000)
        worker.spent = 1250
        await worker.report()
        assert await given_and_spent(stores) == (1250, 1250)

    async def test_nobody_keeps_more_than_was_given(self, stores: Stores):
        worker = await holder(stores)
        await worker.draw(1000)
        worker.amount = 5000
        await worker.report()
        assert await given_and_spent(stores) == (1000, 0)

    async def test_what_a_later_report_overtook_changes_nothing(self, stores: Stores):
        worker = await holder(stores)
        await worker.draw(1000)
        late = SliceReport(ALICES, worker.day, 1000, 10)
        late_number = next(worker.numbers)
        worker.amount, worker.spent = 600, 500
        await worker.report()
        await stores.ledger.report(worker.id, late_number, [late])
        assert await given_and_spent(stores) == (600, 500)

    async def test_a_draw_that_a_report_overtook_gets_nothing(self, stores: Stores):
        worker = await holder(stores)
        await worker.draw(1000)
        late_number = next(worker.numbers)
        await worker.report()
        (drawn,) = await stores.ledger.draw(worker.id, late_number, [Want(ALICES, LIMIT, 100, 100)])
        assert (drawn.granted, drawn.left, drawn.outstanding) == (0, LIMIT - 1000, 1000)
        assert await given_and_spent(stores) == (1000, 0)

    async def test_what_was_granted_and_not_heard_of_goes_back(self, stores: Stores):
        worker = await holder(stores)
        await worker.draw(1000)
        await stores.ledger.draw(worker.id, next(worker.numbers), [Want(ALICES, LIMIT, 500, 500)])
        assert await given_and_spent(stores) == (1500, 0)
        await worker.report()
        assert await given_and_spent(stores) == (1000, 0)

    async def test_also_the_first_draw_of_a_slice_may_be_unheard_of_and_late(self, stores: Stores):
        worker = await holder(stores)
        unheard = next(worker.numbers)
        nothing = SliceReport(ALICES, None, 0, 0)
        await stores.ledger.report(worker.id, next(worker.numbers), [nothing])
        (drawn,) = await stores.ledger.draw(worker.id, unheard, [Want(ALICES, LIMIT, 500, 500)])
        assert drawn.granted == 0
        assert (await worker.draw(500)).granted == 500
        await stores.ledger.report(worker.id, next(worker.numbers), [nothing])
        assert (await worker.draw(8000)).granted == 8000

    async def test_a_slice_that_the_store_does_not_know_is_no_money(self, stores: Stores):
        worker = await holder(stores)
        await worker.draw(1000)
        stranger = await holder(stores)
        stranger.day, stranger.amount, stranger.spent = worker.day, 700, 300
        await stranger.report()
        assert await given_and_spent(stores) == (1000, 0)

    async def test_holders_of_a_budget_hear_that_it_is_wanted(self, stores: Stores):
        rich, poor, other = await holder(stores), await holder(stores), await holder(stores)
        other.budget = ACMES
        await rich.draw(8000)
        await other.draw(1)
        assert await stores.ledger.report(rich.id, next(rich.numbers), []) == []
        assert (await poor.draw(100)).granted == 0
        assert await stores.ledger.report(rich.id, next(rich.numbers), []) == [ALICES]
        assert await other.report() == []
        assert await rich.give_back() == [ALICES]
        assert (await poor.draw(100)).granted == 100

    async def test_reports_of_many_slices_at_once(self, stores: Stores):
        worker = await holder(stores)
        budgets = [ALICES, ACMES, EVERYBODYS]
        drawn = await stores.ledger.draw(worker.id, 0, [Want(budget, LIMIT, 100, 100) for budget in budgets])
        reports = [SliceReport(budget, drawn[0].day, 80, 20 + n) for n, budget in enumerate(budgets)]
        await stores.ledger.report(worker.id, 1, reports)
        assert [await given_and_spent(stores, budget) for budget in budgets] == [(80, 20), (80, 21), (80, 22)]

    async def test_draws_and_reports_of_many_at_once_keep_the_sum(self, stores: Stores):
        workers = [await holder(stores) for _ in range(8)]

        async def spend(worker: Holder) -> None:
            for turn in range(6):
                await worker.draw(50, 200)
                worker.spent = min(worker.spent + 30, worker.amount)
                await (worker.give_back() if turn % 2 else worker.report())

        await asyncio.gather(*(spend(worker) for worker in workers))
        amounts, spent = sum(worker.amount for worker in workers), sum(worker.spent for worker in workers)
        assert await given_and_spent(stores) == (amounts, spent)


class ChargeContract:
    """Lines of the ledger: who may write them, and how they end."""

    async def test_a_charge_is_open_until_it_is_settled(self, stores: Stores):
        worker, claimed = await spender(stores)
        charge = await charge_one(stores, worker.charge(claimed, 1234, model="gpt", key="m7"))
        written = await line(stores, charge)
        assert (written.state, written.estimate, written.cost) == (ChargeState.OPEN, 1234, None)
        assert (written.task_id, written.key, written.model, written.attempt) == (claimed.task.id, "m7", "gpt", 1)
        assert (written.principal.tenant, written.principal.user) == ("acme", "alice")
        assert (written.agent, written.version) == ("support", "1")
        await stores.ledger.settle([settled(charge, 999)])
        assert (await line(stores, charge)).state is ChargeState.SETTLED
        assert (await line(stores, charge)).cost == 999

    async def test_charges_of_many_tasks_are_written_together(self, stores: Stores):
        await submit(stores, *(new_task() for _ in range(20)))
        tasks = await stores.tasks.claim(await register(stores), [LANE], 20)
        charges = [new_charge(claimed, key=f"m{n}") for n in range(3) for claimed in tasks]
        assert await stores.ledger.charge(charges) == [True] * 60
        assert len(await stores.accounts.charges(most=100)) == 60

    async def test_repeating_a_charge_is_one_charge(self, stores: Stores):
        claimed = await run_one(stores)
        charge = new_charge(claimed)
        assert await stores.ledger.charge([charge]) == [True]
        assert await stores.ledger.charge([charge]) == [True]
        assert await asyncio.gather(*(stores.ledger.charge([charge]) for _ in range(4))) == [[True]] * 4
        assert len(await stores.accounts.charges()) == 1

    async def test_an_old_fence_writes_no_charge_and_its_neighbours_do(self, stores: Stores):
        worker_id = await register(stores)
        old = await run_one(stores, worker_id=worker_id)
        await lose_worker(stores, worker_id)
        new = await claim_one(stores)
        wrong = replace(new_charge(new), fence=replace(new.fence, claim_token=uuid4()))
        charges = [new_charge(old), new_charge(new), wrong]
        assert await stores.ledger.charge(charges) == [False, True, False]
        assert [each.id for each in await stores.accounts.charges()] == [charges[1].id]

    @pytest.mark.parametrize("status", [TaskStatus.SUCCEEDED, TaskStatus.WAITING, TaskStatus.QUEUED])
    async def test_a_task_that_does_not_run_is_charged_for_nothing(self, stores: Stores, status: TaskStatus):
        claimed = await run_one(stores)
        await settle(stores, claimed, status)
        assert await stores.ledger.charge([new_charge(claimed)]) == [False]
        assert await stores.accounts.charges() == []

    async def test_a_repeated_charge_is_refused_once_the_task_was_taken_away(self, stores: Stores):
        worker_id = await register(stores)
        claimed = await run_one(stores, worker_id=worker_id)
        charge = await charge_one(stores, new_charge(claimed))
        await lose_worker(stores, worker_id)
        assert await stores.ledger.charge([charge]) == [False]

    async def test_charge_and_rescue_at_once_agree(self, stores: Stores):
        for _ in range(5):
            worker_id = await register(stores)
            claimed = await run_one(stores, worker_id=worker_id)
            await stores.workers.deregister(worker_id)
            charge = new_charge(claimed, holder=worker_id)
            (allowed,), _rescued = await asyncio.gather(
                stores.ledger.charge([charge]), stores.upkeep.rescue_expired_leases(3, 10)
            )
            again = await claim_one(stores)
            # Whoever was allowed to call is known to the next attempt.
            assert await stores.ledger.take_over(claimed.task.id, again.task.attempt, 0) == charge.estimate * allowed
            await settle(stores, again)

    async def test_settling_again_changes_nothing(self, stores: Stores):
        worker, claimed = await spender(stores)
        charge = await charge_one(stores, worker.charge(claimed))
        for cost in (70, 80, None):
            await stores.ledger.settle([settled(charge, cost)])
        assert ((await line(stores, charge)).state, (await line(stores, charge)).cost) == (ChargeState.SETTLED, 70)

    async def test_an_uncertain_charge_takes_its_real_cost(self, stores: Stores):
        worker, claimed = await spender(stores)
        charge = await charge_one(stores, worker.charge(claimed))
        await stores.ledger.settle([settled(charge, None)])
        assert ((await line(stores, charge)).state, (await line(stores, charge)).cost) == (ChargeState.UNCERTAIN, None)
        await stores.ledger.settle([settled(charge, 70)])
        assert ((await line(stores, charge)).state, (await line(stores, charge)).cost) == (ChargeState.SETTLED, 70)

    async def test_a_worker_that_lives_counts_the_real_cost_itself(self, stores: Stores):
        worker, claimed = await spender(stores)
        await worker.draw(1000)
        charge = await charge_one(stores, worker.charge(claimed, 400))
        await stores.ledger.settle([settled(charge, None)])
        worker.spent = 400
        await worker.report()
        await stores.ledger.settle([settled(charge, 40)])
        assert await given_and_spent(stores) == (1000, 400)
        worker.spent = 40
        await worker.report()
        assert await given_and_spent(stores) == (1000, 40)

    @pytest.mark.parametrize(
        "absurd",
        [{"cost": 10**30}, {"cost": -1}, {"cost": 5, "output_tokens": 10**19}, {"cost": 5, "input_tokens": -1}],
    )
    async def test_what_can_not_be_kept_is_uncertain_and_its_neighbours_are_settled(
        self, stores: Stores, absurd: dict[str, int]
    ):
        worker, claimed = await spender(stores)
        one, bad, two, journaled = [await charge_one(stores, worker.charge(claimed, key=f"m{n}")) for n in range(4)]
        await stores.ledger.settle([settled(one, 7), settled(bad, **absurd), settled(two, 8)])
        assert (await line(stores, bad)).state is ChargeState.UNCERTAIN
        assert [(await line(stores, each)).cost for each in (one, two)] == [7, 8]
        await stores.ledger.settle([settled(bad, **absurd)])
        assert (await line(stores, bad)).state is ChargeState.UNCERTAIN
        entries = [entry_with(claimed, "m3", settled(journaled, **absurd)), entry(claimed, "t1")]
        assert await stores.journal.append(entries) == [Appended(0), Appended(1)]
        assert (await line(stores, journaled)).state is ChargeState.UNCERTAIN

    async def test_settling_what_nobody_knows_does_nothing(self, stores: Stores):
        worker, claimed = await spender(stores)
        known, unknown = worker.charge(claimed), worker.charge(claimed)
        await charge_one(stores, known)
        await stores.ledger.settle([settled(unknown, 5), settled(known, 6)])
        (only,) = await stores.accounts.charges()
        assert (only.id, only.cost) == (known.id, 6)


class JournaledChargeContract:
    """Charges that are settled together with the reply that they paid for."""

    async def test_an_entry_settles_its_charge(self, stores: Stores):
        worker, claimed = await spender(stores)
        one, two = [await charge_one(stores, worker.charge(claimed)) for _ in range(2)]
        writes = [entry_with(claimed, "m1", settled(one, 55)), entry(claimed, "t1:a")]
        writes.append(entry_with(claimed, "m2", settled(two, None)))
        assert await stores.journal.append(writes) == [Appended(n) for n in range(3)]
        assert (await line(stores, one)).cost == 55
        assert (await line(stores, two)).state is ChargeState.UNCERTAIN

    async def test_appending_again_settles_nothing_twice(self, stores: Stores):
        worker, claimed = await spender(stores)
        charge = await charge_one(stores, worker.charge(claimed))
        await stores.journal.append([entry_with(claimed, "m1", settled(charge, 55))])
        assert await stores.journal.append([entry_with(claimed, "m1", settled(charge, 66))]) == [Appended(0)]
        assert (await line(stores, charge)).cost == 55

    async def test_a_refused_entry_settles_its_charge(self, stores: Stores):
        worker, claimed = await spender(stores)
        charge = await charge_one(stores, worker.charge(claimed))
        await lose_worker(stores, worker.id)
        assert await stores.journal.append([entry_with(claimed, "m1", settled(charge, 55))]) == [Refused()]
        assert ((await line(stores, charge)).state, (await line(stores, charge)).cost) == (ChargeState.SETTLED, 55)
        # No entry tells of it.
        again = await claim_one(stores)
        assert await stores.ledger.take_over(claimed.task.id, again.task.attempt, 0) == 55

    @pytest.mark.parametrize("detail", [b"{", b'"text"'], ids=["broken", "no object"])
    async def test_an_entry_that_cannot_be_stored_settles_its_charge(self, stores: Stores, detail: bytes):
        worker, claimed = await spender(stores)
        one, two = [await charge_one(stores, worker.charge(claimed)) for _ in range(2)]
        bad, good = await stores.journal.append(
            [entry_with(claimed, "m1", settled(one, 55), detail), entry_with(claimed, "m2", settled(two, 66))]
        )
        assert (isinstance(bad, NotStorable), good) == (True, Appended(0))
        assert [(await line(stores, charge)).cost for charge in (one, two)] == [55, 66]
        await settle(stores, claimed, TaskStatus.QUEUED)
        again = await claim_one(stores)
        assert await stores.ledger.take_over(claimed.task.id, again.task.attempt, 0) == 55

    async def test_an_entry_leaves_what_is_uncertain_to_its_worker(self, stores: Stores):
        worker, claimed = await spender(stores)
        charge = await charge_one(stores, worker.charge(claimed))
        await lose_worker(stores, worker.id)
        again = await claim_one(stores)
        assert await stores.ledger.take_over(claimed.task.id, again.task.attempt, 0) == 100
        await stores.journal.append([entry_with(claimed, "m1", settled(charge, 55))])
        assert (await line(stores, charge)).state is ChargeState.UNCERTAIN
        await stores.ledger.settle([settled(charge, 55)])
        assert (await line(stores, charge)).cost == 55

    async def test_append_and_settle_at_once_end_a_charge_once(self, stores: Stores):
        worker, claimed = await spender(stores)
        for n in range(5):
            charge = await charge_one(stores, worker.charge(claimed))
            await asyncio.gather(
                stores.journal.append([entry_with(claimed, f"m{n}", settled(charge, 55))]),
                stores.ledger.settle([settled(charge, None)]),
            )
            ended = await line(stores, charge)
            assert (ended.state, ended.cost) in ((ChargeState.SETTLED, 55), (ChargeState.UNCERTAIN, None))


class TakeOverContract:
    """What a later attempt must know of the money of those before it."""

    async def test_what_no_entry_tells_of_is_handed_on(self, stores: Stores):
        worker, claimed = await spender(stores)
        journaled, failed, uncertain, under_way = [
            await charge_one(stores, worker.charge(claimed, estimate)) for estimate in (100, 200, 400, 800)
        ]
        await stores.journal.append([entry_with(claimed, "m1", settled(journaled, 50))])
        await stores.ledger.settle([settled(failed, 60), settled(uncertain, None)])
        await lose_worker(stores, worker.id)
        again = await claim_one(stores)
        for _ in range(2):
            assert await stores.ledger.take_over(claimed.task.id, again.task.attempt, 0) == 60 + 400 + 800
        assert (await line(stores, under_way)).state is ChargeState.UNCERTAIN

    async def test_nothing_of_the_present_attempt_is(self, stores: Stores):
        worker, claimed = await spender(stores)
        one, two = [await charge_one(stores, worker.charge(claimed)) for _ in range(2)]
        await stores.ledger.settle([settled(one, 50)])
        assert await stores.ledger.take_over(claimed.task.id, claimed.task.attempt, 0) == 0
        assert (await line(stores, two)).state is ChargeState.OPEN

    async def test_each_generation_counts_its_own(self, stores: Stores):
        worker, claimed = await spender(stores)
        first, second = [await charge_one(stores, worker.charge(claimed, key=key)) for key in ("m1", "1/m1")]
        await stores.ledger.settle([settled(first, 10), settled(second, 20)])
        taken = [await stores.ledger.take_over(claimed.task.id, 2, generation) for generation in range(3)]
        assert taken == [10, 20, 0]

    async def test_nothing_of_other_tasks_is(self, stores: Stores):
        worker, claimed = await spender(stores)
        other = await run_one(stores, worker_id=worker.id)
        charge = await charge_one(stores, worker.charge(other))
        assert await stores.ledger.take_over(claimed.task.id, 2, 0) == 0
        assert (await line(stores, charge)).state is ChargeState.OPEN

    async def test_a_reply_that_comes_at_the_same_time_is_counted_once(self, stores: Stores):
        for _ in range(5):
            worker, claimed = await spender(stores)
            charge = await charge_one(stores, worker.charge(claimed))
            await lose_worker(stores, worker.id)
            again = await claim_one(stores)
            handed_on, _ = await asyncio.gather(
                stores.ledger.take_over(claimed.task.id, again.task.attempt, 0),
                stores.ledger.settle([settled(charge, 40)]),
            )
            assert handed_on in (40, 100)
            assert (await line(stores, charge)).cost == 40
            await settle(stores, again)


class MidnightContract:
    """For stores whose clock the test can turn."""

    async def test_a_users_money_is_new_every_day_and_a_tenants_every_month(self, stores: Stores):
        worker = await holder(stores)
        wants = [Want(ALICES, LIMIT, LIMIT, LIMIT), Want(ACMES, LIMIT, LIMIT, LIMIT)]
        user, tenant = await stores.ledger.draw(worker.id, 1, wants)
        await stores.pass_time(user.seconds_left - 1)
        assert [each.granted for each in await stores.ledger.draw(worker.id, 2, wants)] == [0, 0]
        await stores.pass_time(1)
        assert [each.granted for each in await stores.ledger.draw(worker.id, 3, wants)] == [LIMIT, 0]
        await stores.pass_time(tenant.seconds_left - user.seconds_left - 1)
        assert [each.granted for each in await stores.ledger.draw(worker.id, 4, wants)] == [LIMIT, 0]
        await stores.pass_time(1)
        user, tenant = await stores.ledger.draw(worker.id, 5, wants)
        assert (user.granted, tenant.granted, user.day.day) == (LIMIT, LIMIT, 1)

    async def test_yesterdays_slice_of_a_month_still_counts_in_it(self, stores: Stores):
        worker = await holder(stores, ACMES)
        yesterday = (await worker.draw(1000)).day
        await stores.pass_time(DAY)
        today = (await worker.draw(1000)).day
        reports = [SliceReport(ACMES, yesterday, 300, 300), SliceReport(ACMES, today, 900, 200)]
        await stores.ledger.report(worker.id, next(worker.numbers), reports)
        assert await given_and_spent(stores, ACMES) == (1200, 500)

    async def test_a_budget_is_wanted_for_ten_seconds(self, stores: Stores):
        rich, poor = await holder(stores), await holder(stores)
        await rich.draw(8000)
        await poor.draw(1)
        await stores.pass_time(9)
        assert await rich.report() == [ALICES]
        await stores.pass_time(1)
        assert await rich.report() == []
        assert (await standing(stores)).reserved == 8000

    async def test_charges_are_of_the_day_of_their_slices(self, stores: Stores):
        worker, claimed = await spender(stores)
        yesterday = (await worker.draw(100)).day
        await stores.pass_time(DAY)
        charge = await charge_one(stores, worker.charge(claimed))
        await stores.ledger.settle([settled(charge, 10)])
        assert [each["day"] for each in await stores.accounts.usage(ALICE, "day", 2)] == [yesterday.isoformat()]
