"""What every `BudgetAccounts` must do."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from random import Random
from uuid import uuid4

import pytest

from roadworthy.domain.budget import Budget, BudgetLimits, BudgetScope, ChargeState, NewCharge
from roadworthy.domain.errors import NotAllowed, NotUncertain
from roadworthy.domain.ids import new_id
from roadworthy.domain.operator_action import ActionKind, ActionTarget, OperatorAction
from roadworthy.domain.principal import Principal
from roadworthy.domain.task import Claimed, TaskStatus
from roadworthy.ports.budget_ledger import Want
from roadworthy.testing.conformance.money_scenario import (
    ACMES,
    ALICES,
    ALL,
    EVERYBODYS,
    LIMIT,
    ONLY_USERS,
    OPERATOR,
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
from roadworthy.testing.conformance.scenario import ALICE, BOB, STRANGERS, claim_one, lose_worker, run_one, settle
from roadworthy.testing.conformance.stores import Stores

TRUTH = OperatorAction(
    new_id(), 0, OPERATOR, ActionKind.CORRECT_CHARGE, ActionTarget({"cost_usd": "0.00004"}), "as on the bill"
)


async def lose(stores: Stores, *workers: Holder) -> None:
    """They are gone, and their tasks are others' to take."""
    for worker in workers:
        await lose_worker(stores, worker.id)


class StandingContract:
    """How full budgets are, and which are used up."""

    async def test_budgets_show_what_is_spent_and_reserved(self, stores: Stores):
        worker = await holder(stores)
        await worker.draw(1000)
        worker.spent = 300
        await worker.report()
        (found,) = await stores.accounts.standings(ALL)
        assert (found.budget, found.limit) == (ALICES, LIMIT)
        assert (found.spent, found.reserved, found.uncertain, found.used_up) == (300, 700, 0, False)
        assert 0 < found.seconds_left <= 86_400

    async def test_the_fullest_come_first(self, stores: Stores):
        worker = await holder(stores)
        users = [Budget(BudgetScope.USER_DAY, "acme", f"user {n}") for n in range(5)]
        wants = [Want(budget, 8000, 100 * n, 100 * n) for n, budget in enumerate(users)]
        wants.append(Want(EVERYBODYS, 1000, 49, 49))
        await stores.ledger.draw(worker.id, 1, wants)
        found = await stores.accounts.standings(replace(ALL, global_month=1000))
        assert [each.budget for each in found] == [users[4], EVERYBODYS, users[3], users[2], users[1]]
        assert len(await stores.accounts.standings(ALL, most=2)) == 2

    async def test_only_budgets_with_a_limit_are_shown(self, stores: Stores):
        worker = await holder(stores)
        await stores.ledger.draw(worker.id, 1, [Want(budget, LIMIT, 9, 9) for budget in (ALICES, ACMES, EVERYBODYS)])
        assert [each.budget for each in await stores.accounts.standings(ONLY_USERS)] == [ALICES]
        assert await stores.accounts.standings(BudgetLimits()) == []

    async def test_what_is_uncertain_shows_in_each_budget(self, stores: Stores):
        worker, claimed = await spender(stores)
        wants = [Want(budget, LIMIT, 1000, 1000) for budget in (ALICES, ACMES, EVERYBODYS)]
        (worker.day, *_) = [drawn.day for drawn in await stores.ledger.draw(worker.id, 1, wants)]
        charges = [await charge_one(stores, worker.charge(claimed, estimate)) for estimate in (10, 20, 40)]
        unbudgeted = await charge_one(stores, new_charge(claimed, 80))
        endings = [settled(charges[0], None), settled(charges[1], None), settled(charges[2], 40)]
        await stores.ledger.settle([*endings, settled(unbudgeted, None)])
        for budget in (ALICES, ACMES, EVERYBODYS):
            assert (await standing(stores, budget)).uncertain == 30

    async def test_a_budget_of_which_all_is_spent_is_used_up(self, stores: Stores):
        worker = await holder(stores)
        await worker.draw(LIMIT)
        assert await stores.accounts.used_up(ONLY_USERS) == []
        worker.spent = LIMIT
        await worker.report()
        (found,) = await stores.accounts.used_up(ONLY_USERS)
        assert (found.budget, found.spent, found.used_up) == (ALICES, LIMIT, True)
        assert 0 < found.seconds_left <= 86_400
        assert await stores.accounts.used_up(BudgetLimits(tenant_month=LIMIT)) == []

    async def test_a_refused_call_uses_a_budget_up_once_nothing_is_under_way(self, stores: Stores):
        worker, poor = await holder(stores), await holder(stores)
        await worker.draw(7500)
        assert (await poor.draw(600)).granted == 0
        assert await stores.accounts.used_up(ONLY_USERS) == []
        worker.spent = 7500
        await worker.report()
        assert [each.budget for each in await stores.accounts.used_up(ONLY_USERS)] == [ALICES]
        assert (await standing(stores)).used_up

    async def test_one_call_too_dear_does_not_use_a_budget_up(self, stores: Stores):
        worker = await holder(stores)
        await worker.draw(1000)
        worker.spent = 1000
        await worker.report()
        assert (await worker.draw(7001)).granted == 0
        assert await stores.accounts.used_up(ONLY_USERS) == []

    async def test_a_higher_limit_opens_a_budget_again(self, stores: Stores):
        worker = await holder(stores)
        await worker.draw(LIMIT)
        worker.spent = LIMIT
        await worker.report()
        assert (await worker.draw(1)).granted == 0
        assert await stores.accounts.used_up(ONLY_USERS)
        assert await stores.accounts.used_up(BudgetLimits(user_day=LIMIT + 1)) == []
        assert (await worker.draw(1, limit=LIMIT + 1)).granted == 1


class AlertContract:
    """Operators are told once of each step of each budget."""

    async def test_each_step_is_told_once(self, stores: Stores):
        worker = await holder(stores)
        await worker.draw(LIMIT)
        told: list[tuple[int, int]] = []
        for spent in (3999, 4000, 4001, 6400, 8000, 8001):
            worker.spent = spent
            await worker.report()
            told += [(alert.percent, alert.spent) for alert in await stores.accounts.new_alerts(ONLY_USERS)]
        assert told == [(50, 4000), (80, 6400), (100, 8000)]
        newest = await stores.accounts.alerts()
        assert [alert.percent for alert in newest] == [100, 80, 50]
        assert {(alert.budget, alert.limit) for alert in newest} == {(ALICES, LIMIT)}
        assert newest[0].window_start == (worker.day and worker.day.isoformat())
        assert [alert.percent for alert in await stores.accounts.alerts(most=1)] == [100]

    async def test_several_steps_may_be_reached_at_once(self, stores: Stores):
        worker = await holder(stores)
        await worker.draw(LIMIT)
        worker.spent = 7000
        await worker.report()
        assert [alert.percent for alert in await stores.accounts.new_alerts(ONLY_USERS)] == [50, 80]

    async def test_what_is_used_up_has_reached_the_last_step(self, stores: Stores):
        worker = await holder(stores)
        await worker.draw(7500)
        worker.spent = 7500
        await worker.report()
        await worker.draw(1000)
        assert [alert.percent for alert in await stores.accounts.new_alerts(ONLY_USERS)] == [50, 80, 100]

    async def test_of_two_that_tell_at_once_one_does(self, stores: Stores):
        worker = await holder(stores)
        await worker.draw(LIMIT)
        worker.spent = LIMIT
        await worker.report()
        told = await asyncio.gather(*(stores.accounts.new_alerts(ONLY_USERS) for _ in range(4)))
        assert sorted(alert.percent for alerts in told for alert in alerts) == [50, 80, 100]


class LostContract:
    """Money and calls of workers that are gone."""

    async def test_a_lost_workers_slice_is_closed_to_what_its_charges_say(self, stores: Stores):
        worker, claimed = await spender(stores)
        await worker.draw(1000)
        paid, uncertain, under_way = [await charge_one(stores, worker.charge(claimed, n)) for n in (100, 200, 400)]
        await stores.ledger.settle([settled(paid, 70), settled(uncertain, None)])
        await lose(stores, worker)
        assert await given_and_spent(stores) == (1000, 0)
        assert await stores.accounts.settle_lost() == 2
        assert (await line(stores, under_way)).state is ChargeState.UNCERTAIN
        assert await given_and_spent(stores) == (670, 670)
        assert await stores.accounts.settle_lost() == 0

    async def test_nothing_is_given_to_it_and_nothing_it_says_counts(self, stores: Stores):
        worker, claimed = await spender(stores)
        await worker.draw(1000)
        charge = await charge_one(stores, worker.charge(claimed))
        await stores.ledger.settle([settled(charge, 70)])
        await lose(stores, worker)
        await stores.accounts.settle_lost()
        worker.spent = 900
        await worker.report()
        drawn = await worker.draw(10)
        assert (drawn.granted, drawn.left) == (0, LIMIT - 70)
        assert await given_and_spent(stores) == (70, 70)

    async def test_a_worker_that_lives_keeps_what_it_has(self, stores: Stores):
        worker, claimed = await spender(stores)
        await worker.draw(1000)
        charge = await charge_one(stores, worker.charge(claimed))
        assert await stores.accounts.settle_lost() == 0
        await settle(stores, claimed)
        assert await stores.accounts.settle_lost() == 0
        assert (await line(stores, charge)).state is ChargeState.OPEN
        assert await given_and_spent(stores) == (1000, 0)

    async def test_a_worker_whose_tasks_are_not_rescued_yet_keeps_what_it_has(self, stores: Stores):
        worker, claimed = await spender(stores)
        await worker.draw(1000)
        charge = await charge_one(stores, worker.charge(claimed))
        await stores.workers.deregister(worker.id)
        assert await stores.accounts.settle_lost() == 0
        assert (await line(stores, charge)).state is ChargeState.OPEN
        assert await given_and_spent(stores) == (1000, 0)

    async def test_a_worker_that_nobody_knows_any_more_is_gone(self, stores: Stores):
        stranger = Holder(stores, uuid4())
        await stranger.draw(1000)
        assert await stores.accounts.settle_lost() == 1
        assert await stores.accounts.standings(ALL) == []

    async def test_a_reply_that_comes_after_all_puts_its_budgets_right(self, stores: Stores):
        worker, claimed = await spender(stores)
        wants = [Want(budget, LIMIT, 1000, 1000) for budget in (ALICES, ACMES)]
        (worker.day, _) = [drawn.day for drawn in await stores.ledger.draw(worker.id, 1, wants)]
        charge = await charge_one(stores, worker.charge(claimed, 400))
        await lose(stores, worker)
        await stores.accounts.settle_lost()
        assert [await given_and_spent(stores, budget) for budget in (ALICES, ACMES)] == [(400, 400)] * 2
        for _ in range(2):
            await stores.ledger.settle([settled(charge, 150)])
        assert [await given_and_spent(stores, budget) for budget in (ALICES, ACMES)] == [(150, 150)] * 2

    async def test_settle_and_settle_lost_at_once_count_a_charge_once(self, stores: Stores):
        for turn in range(1, 6):
            worker, claimed = await spender(stores)
            await worker.draw(500)
            charge = await charge_one(stores, worker.charge(claimed))
            await lose(stores, worker)
            await asyncio.gather(
                stores.ledger.settle([settled(charge, 40)]),
                stores.accounts.settle_lost(),
                stores.accounts.settle_lost(),
            )
            await stores.accounts.settle_lost()
            assert await given_and_spent(stores) == (40 * turn, 40 * turn)
            await settle(stores, await claim_one(stores))

    async def test_an_uncertain_charge_settled_while_its_slice_is_closed_counts_once(self, stores: Stores):
        for turn in range(1, 6):
            worker, claimed = await spender(stores)
            await worker.draw(500)
            charge = await charge_one(stores, worker.charge(claimed))
            await stores.ledger.settle([settled(charge, None)])
            await lose(stores, worker)
            await asyncio.gather(stores.accounts.settle_lost(), stores.ledger.settle([settled(charge, 40)]))
            await stores.accounts.settle_lost()
            assert await given_and_spent(stores) == (40 * turn, 40 * turn)
            await settle(stores, await claim_one(stores))

    async def test_a_worker_that_goes_in_order_leaves_nothing_behind(self, stores: Stores):
        worker, claimed = await spender(stores)
        await worker.draw(1000)
        charge = await charge_one(stores, worker.charge(claimed))
        await stores.journal.append([entry_with(claimed, "m1", settled(charge, 60))])
        worker.spent = 60
        await worker.give_back()
        await settle(stores, claimed)
        assert await given_and_spent(stores) == (60, 60)
        await stores.workers.deregister(worker.id)
        assert await stores.accounts.settle_lost() == 1
        assert await given_and_spent(stores) == (60, 60)


class OverdueContract:
    """For stores whose clock the test can turn."""

    async def test_a_charge_that_nobody_ended_is_uncertain_after_a_minute(self, stores: Stores):
        worker, claimed = await spender(stores)
        charge = await charge_one(stores, worker.charge(claimed))
        await settle(stores, claimed)
        await stores.pass_time(59)
        assert await stores.accounts.settle_lost() == 0
        await stores.pass_time(2)
        assert await stores.accounts.settle_lost() == 1
        assert (await line(stores, charge)).state is ChargeState.UNCERTAIN

    async def test_an_idle_worker_overdue_for_a_minute_loses_its_lease_and_its_money(self, stores: Stores):
        worker = await holder(stores)
        await worker.draw(1000)
        await stores.pass_time(60 + 59)
        assert await stores.accounts.settle_lost() == 0
        await stores.pass_time(2)
        assert await stores.accounts.settle_lost() == 1
        assert await stores.workers.heartbeat(worker.id, 60) is None
        assert await stores.accounts.standings(ALL) == []

    async def test_yesterdays_slices_are_closed_an_hour_after_midnight(self, stores: Stores):
        worker, claimed = await spender(stores)
        worker.budget = ACMES
        left = (await worker.draw(1000)).day_seconds_left
        charge = await charge_one(stores, worker.charge(claimed))
        await stores.ledger.settle([settled(charge, 40)])
        await stores.pass_time(left + 3599)
        await stores.workers.heartbeat(worker.id, 60)
        assert await stores.accounts.settle_lost() == 0
        await stores.pass_time(2)
        assert await stores.accounts.settle_lost() == 1
        if left < 86_400 * 2:
            assert await given_and_spent(stores, ACMES) == (40, 40)

    async def test_a_call_that_is_under_way_keeps_yesterdays_slice_open(self, stores: Stores):
        worker, claimed = await spender(stores)
        left = (await worker.draw(1000)).day_seconds_left
        charge = await charge_one(stores, worker.charge(claimed))
        await stores.pass_time(left + 4000)
        await stores.workers.heartbeat(worker.id, 60)
        assert await stores.accounts.settle_lost() == 0
        await stores.ledger.settle([settled(charge, 40)])
        assert await stores.accounts.settle_lost() == 1


class CorrectContract:
    """Operators give uncertain charges their real cost."""

    async def test_the_difference_goes_back_to_the_budgets(self, stores: Stores):
        worker, claimed = await spender(stores)
        await worker.draw(1000)
        charge = await charge_one(stores, worker.charge(claimed, 400))
        await stores.ledger.settle([settled(charge, None)])
        await lose(stores, worker)
        await stores.accounts.settle_lost()
        corrected = await stores.accounts.correct(charge.id, 40, TRUTH)
        assert corrected is not None
        assert corrected == await line(stores, charge)
        assert (corrected.state, corrected.cost, corrected.estimate) == (ChargeState.SETTLED, 40, 400)
        assert await given_and_spent(stores) == (40, 40)

    async def test_it_may_have_cost_more(self, stores: Stores):
        worker, claimed = await spender(stores)
        await worker.draw(1000)
        charge = await charge_one(stores, worker.charge(claimed, 400))
        await lose(stores, worker)
        await stores.accounts.settle_lost()
        await stores.accounts.correct(charge.id, 9000, TRUTH)
        assert await given_and_spent(stores) == (9000, 9000)
        assert [each.budget for each in await stores.accounts.used_up(ONLY_USERS)] == [ALICES]

    async def test_a_user_may_spend_again(self, stores: Stores):
        worker, claimed = await spender(stores)
        await worker.draw(LIMIT)
        charge = await charge_one(stores, worker.charge(claimed, LIMIT))
        await lose(stores, worker)
        await stores.accounts.settle_lost()
        assert [each.budget for each in await stores.accounts.used_up(ONLY_USERS)] == [ALICES]
        await stores.accounts.correct(charge.id, 0, TRUTH)
        assert await stores.accounts.used_up(ONLY_USERS) == []
        assert (await (await holder(stores)).draw(LIMIT)).granted == LIMIT

    async def test_what_the_worker_says_later_does_not_undo_it(self, stores: Stores):
        worker, claimed = await spender(stores)
        await worker.draw(1000)
        charge = await charge_one(stores, worker.charge(claimed, 400))
        await stores.ledger.settle([settled(charge, None)])
        worker.spent = 400
        await worker.report()
        await stores.accounts.correct(charge.id, 40, TRUTH)
        assert await given_and_spent(stores) == (640, 40)
        worker.spent = 450
        await worker.report()
        assert await given_and_spent(stores) == (640, 90)
        await worker.give_back()
        assert await given_and_spent(stores) == (90, 90)
        another = await charge_one(stores, worker.charge(claimed, 50))
        await stores.ledger.settle([settled(another, 50)])
        await lose(stores, worker)
        await stores.accounts.settle_lost()
        assert await given_and_spent(stores) == (90, 90)

    async def test_correct_and_report_at_once_keep_the_sum(self, stores: Stores):
        worker, claimed = await spender(stores)
        await worker.draw(4000)
        for turn in range(1, 6):
            charge = await charge_one(stores, worker.charge(claimed, 400))
            await stores.ledger.settle([settled(charge, None)])
            worker.spent += 400
            await asyncio.gather(stores.accounts.correct(charge.id, 40, TRUTH), worker.report())
            assert await given_and_spent(stores) == (4000 - 360 * turn, 40 * turn)

    async def test_correct_and_closing_at_once_keep_the_sum(self, stores: Stores):
        for turn in range(1, 6):
            worker, claimed = await spender(stores)
            await worker.draw(500)
            charge = await charge_one(stores, worker.charge(claimed, 400))
            await stores.ledger.settle([settled(charge, None)])
            await lose(stores, worker)
            await asyncio.gather(stores.accounts.correct(charge.id, 40, TRUTH), stores.accounts.settle_lost())
            await stores.accounts.settle_lost()
            assert await given_and_spent(stores) == (40 * turn, 40 * turn)
            await settle(stores, await claim_one(stores))

    async def test_of_two_corrections_at_once_one_counts(self, stores: Stores):
        worker, claimed = await spender(stores)
        await worker.draw(1000)
        charge = await charge_one(stores, worker.charge(claimed, 400))
        await lose(stores, worker)
        await stores.accounts.settle_lost()
        outcomes = await asyncio.gather(
            *(stores.accounts.correct(charge.id, cost, TRUTH) for cost in (10, 20)), return_exceptions=True
        )
        assert sum(isinstance(outcome, NotUncertain) for outcome in outcomes) == 1
        cost = (await line(stores, charge)).cost
        assert await given_and_spent(stores) == (cost, cost)
        assert len(await stores.actions.list(OPERATOR)) == 1

    async def test_who_did_it_is_recorded(self, stores: Stores):
        claimed = await run_one(stores)
        charge = await charge_one(stores, new_charge(claimed, 400))
        await stores.ledger.settle([settled(charge, None)])
        await stores.accounts.correct(charge.id, 40, TRUTH)
        (action,) = await stores.actions.list(OPERATOR, claimed.task.id)
        assert (action.kind, action.note) == (ActionKind.CORRECT_CHARGE, "as on the bill")
        assert (action.operator.tenant, action.operator.user) == ("operations", "olga")
        assert action.target.detail == {"cost_usd": "0.00004", "estimate_usd": "0.0004"}

    @pytest.mark.parametrize("cost", [None, 30], ids=["under way", "settled"])
    async def test_only_what_is_uncertain_is_corrected(self, stores: Stores, cost: int | None):
        claimed = await run_one(stores)
        charge = await charge_one(stores, new_charge(claimed))
        if cost is not None:
            await stores.ledger.settle([settled(charge, cost)])
        with pytest.raises(NotUncertain):
            await stores.accounts.correct(charge.id, 40, TRUTH)
        assert (await line(stores, charge)).cost == cost
        assert await stores.actions.list(OPERATOR) == []

    async def test_a_charge_that_is_not_there_is_not_corrected(self, stores: Stores):
        assert await stores.accounts.correct(uuid4(), 40, TRUTH) is None
        assert await stores.actions.list(OPERATOR) == []

    async def test_nobody_but_operators_may(self, stores: Stores):
        claimed = await run_one(stores)
        charge = await charge_one(stores, new_charge(claimed))
        await stores.ledger.settle([settled(charge, None)])
        with pytest.raises(NotAllowed):
            await stores.accounts.correct(charge.id, 40, replace(TRUTH, operator=ALICE))
        assert (await line(stores, charge)).state is ChargeState.UNCERTAIN


class ChargesContract:
    """The ledger, as people read it."""

    async def test_charges_are_listed_newest_first_and_page_by_page(self, stores: Stores):
        claimed = await run_one(stores)
        ids = [(await charge_one(stores, new_charge(claimed))).id for _ in range(5)]
        first = await stores.accounts.charges(most=3)
        rest = await stores.accounts.charges(most=3, before=first[-1].id)
        assert [each.id for each in first + rest] == ids[::-1]

    async def test_charges_are_listed_by_state_and_task(self, stores: Stores):
        one, two = await run_one(stores), await run_one(stores)
        wanted: dict[tuple[ChargeState, Claimed], list[NewCharge]] = {}
        for state, cost in ((ChargeState.OPEN, 0), (ChargeState.SETTLED, 5), (ChargeState.UNCERTAIN, None)):
            for claimed in (one, two):
                charges = [await charge_one(stores, new_charge(claimed)) for _ in range(3)]
                wanted[state, claimed] = charges[::-1]
                if state is not ChargeState.OPEN:
                    await stores.ledger.settle([settled(charge, cost) for charge in charges])
        for (state, claimed), charges in wanted.items():
            ids = [charge.id for charge in charges]
            both = await stores.accounts.charges(state=state, task_id=claimed.task.id)
            assert [each.id for each in both] == ids
            assert {each.state for each in both} == {state}
            listed = await stores.accounts.charges(state=state, before=ids[0], most=2)
            assert [each.id for each in listed][: len(ids) - 1] == ids[1:]
            assert len(await stores.accounts.charges(state=state)) == 6
            assert len(await stores.accounts.charges(task_id=claimed.task.id)) == 9

    async def test_usage_adds_up_what_a_user_was_charged(self, stores: Stores):
        claimed = await run_one(stores)
        costs = {"dear": (500, None, 0), "cheap": (10, 20, 0)}
        for model, (first, second, failed) in costs.items():
            for cost, tokens in ((first, 7), (second, 5), (failed, 0)):
                charge = await charge_one(stores, new_charge(claimed, 900, model=model))
                given = {"input_tokens": tokens, "output_tokens": tokens * 2, "cache_read_tokens": tokens * 3}
                await stores.ledger.settle([settled(charge, cost, **given)])
            await charge_one(stores, new_charge(claimed, 900, model=model))
        tokens = {"input_tokens": 12, "output_tokens": 24, "cache_read_tokens": 36, "calls": 2}
        assert await stores.accounts.usage(ALICE, "model", 1) == [
            {"model": "dear", "cost": 1400, "uncertain": 900} | tokens,
            {"model": "cheap", "cost": 30, "uncertain": 0} | tokens,
        ]
        (support,) = await stores.accounts.usage(ALICE, "agent", 1)
        assert (support["agent"], support["cost"], support["calls"]) == ("support", 1430, 4)
        (today,) = await stores.accounts.usage(ALICE, "day", 1)
        assert (len(today["day"]), today["cost"]) == (len("2026-11-23"), 1430)

    async def test_a_free_model_is_used_too(self, stores: Stores):
        claimed = await run_one(stores)
        charge = await charge_one(stores, new_charge(claimed, 0))
        await stores.ledger.settle([settled(charge, 0, input_tokens=3, output_tokens=4)])
        (used,) = await stores.accounts.usage(ALICE, "model", 1)
        assert (used["cost"], used["calls"], used["output_tokens"]) == (0, 1, 4)

    @pytest.mark.parametrize("stranger", STRANGERS, ids=["other user", "other tenant"])
    async def test_usage_is_the_callers_own(self, stores: Stores, stranger: Principal):
        claimed = await run_one(stores)
        charge = await charge_one(stores, new_charge(claimed))
        await stores.ledger.settle([settled(charge, 7)])
        assert await stores.accounts.usage(stranger, "day", 30) == []

    async def test_usage_of_many_days_is_newest_first(self, stores: Stores):
        claimed = await run_one(stores, BOB)
        (today,) = [drawn.day for drawn in await stores.ledger.draw(uuid4(), 1, [Want(ALICES, 1, 1, 1)])]
        days = [today.fromordinal(today.toordinal() - ago) for ago in range(5)]
        for ago, day in enumerate(days):
            charge = await charge_one(stores, new_charge(claimed, day=day))
            await stores.ledger.settle([settled(charge, ago + 1)])
        used = await stores.accounts.usage(BOB, "day", 3)
        assert [(each["day"], each["cost"]) for each in used] == [(days[n].isoformat(), n + 1) for n in range(3)]


class SumsContract:
    """Whatever happens: what is given is what slices hold, and what is spent is what charges say."""

    @pytest.mark.parametrize("seed", range(4))
    async def test_no_money_comes_or_goes(self, stores: Stores, seed: int):
        chance = Random(seed)  # noqa: S311
        spenders = [await spender(stores) for _ in range(3)]
        under_way: list[list[NewCharge]] = [[] for _ in spenders]
        overshoot = 0
        for _ in range(120):
            place = chance.randrange(len(spenders))
            (worker, claimed), calls = spenders[place], under_way[place]
            free = worker.amount - worker.spent - sum(call.estimate for call in calls)
            match chance.choice(["draw", "draw", "call", "call", "end", "end", "report", "unheard", "lose"]):
                case "draw":
                    await worker.draw(chance.randint(50, 300), chance.randint(300, 900))
                case "call" if free > 0 and worker.day is not None:
                    calls.append(await charge_one(stores, worker.charge(claimed, chance.randint(1, free))))
                case "end" if calls:
                    call = calls.pop(chance.randrange(len(calls)))
                    cost = chance.choice([0, call.estimate // 2, call.estimate, call.estimate + 50, None])
                    await stores.ledger.settle([settled(call, cost)])
                    worker.spent += call.estimate if cost is None else cost
                    overshoot += max((cost or 0) - call.estimate, 0)
                case "report":
                    spare = max(worker.amount - worker.spent - sum(call.estimate for call in calls), 0)
                    worker.amount -= chance.randint(0, spare)
                    for _ in range(chance.randint(1, 2)):
                        await worker.report()
                case "unheard":
                    await stores.ledger.draw(worker.id, next(worker.numbers), [Want(ALICES, LIMIT, 100, 100)])
                case "lose":
                    await settle(stores, claimed, TaskStatus.WAITING)
                    await lose(stores, worker)
                    await stores.accounts.settle_lost()
                    spenders[place], under_way[place] = await spender(stores), []
                case _:
                    continue
            given = sum(each.spent + each.reserved for each in await stores.accounts.standings(ONLY_USERS))
            assert given <= LIMIT + overshoot
        await lose(stores, *(worker for worker, _ in spenders))
        await stores.accounts.settle_lost()
        charges = await stores.accounts.charges(most=500)
        counted = sum(charge.estimate if charge.cost is None else charge.cost for charge in charges)
        assert charges and {charge.state for charge in charges} <= {ChargeState.SETTLED, ChargeState.UNCERTAIN}
        assert await given_and_spent(stores) == (counted, counted)
