"""What every `Grades` must do."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from roadworthy.domain.errors import NoAnswer, NotAllowed, NotFound
from roadworthy.domain.grade import GradedTask, NewGrade
from roadworthy.domain.ids import SessionId
from roadworthy.domain.operator_action import ActionKind
from roadworthy.domain.principal import Principal
from roadworthy.domain.task import Task, TaskStatus
from roadworthy.ports.grades import GradedFilter
from roadworthy.testing.conformance.scenario import ALICE, BOB, STRANGERS, rising_id, run_one, settle, submit_one
from roadworthy.testing.conformance.stores import Stores

OPERATOR = Principal("elsewhere", "olga", frozenset({"operator"}))
GOOD, BAD = NewGrade("user", "good"), NewGrade("user", "bad", note="it answered another question")
LABEL = NewGrade("operator", enough="complex", note="needs the contract")
EVERYTHING = GradedFilter()


class GiveGradesContract:
    async def test_a_user_grades_an_answer(self, stores: Stores):
        task = await answered(stores)
        given = await stores.grades.give(ALICE, task.id, BAD)
        assert (given.task_id, given.source, given.mark, given.enough) == (task.id, "user", "bad", None)
        assert (given.note, given.given_by) == (BAD.note, "alice")
        assert task.ended_at is not None
        assert given.at >= task.ended_at
        assert list(await stores.grades.of_task(ALICE, task.id)) == [given]

    async def test_the_last_grade_of_a_source_counts(self, stores: Stores):
        task = await answered(stores)
        await stores.grades.give(ALICE, task.id, BAD)
        again = await stores.grades.give(ALICE, task.id, GOOD)
        assert list(await stores.grades.of_task(ALICE, task.id)) == [again]
        assert (again.mark, again.note) == ("good", None)

    async def test_sources_stand_beside_each_other(self, stores: Stores):
        task = await answered(stores)
        given = [
            await stores.grades.give(OPERATOR, task.id, NewGrade("eval", "bad")),
            await stores.grades.give(OPERATOR, task.id, LABEL),
            await stores.grades.give(ALICE, task.id, GOOD),
        ]
        assert list(await stores.grades.of_task(ALICE, task.id)) == given

    @pytest.mark.parametrize("status", [TaskStatus.SUCCEEDED, TaskStatus.PARTIAL])
    async def test_an_answer_can_be_graded_a_partial_one_too(self, stores: Stores, status: TaskStatus):
        task = (await settle(stores, await run_one(stores), status, output=b'"it"')).task
        assert (await stores.grades.give(ALICE, task.id, GOOD)).mark == "good"

    async def test_what_has_no_answer_takes_no_mark(self, stores: Stores):
        tasks = [
            (await settle(stores, await run_one(stores, BOB), TaskStatus.DEAD)).task,
            (await settle(stores, await run_one(stores, BOB), TaskStatus.PARTIAL)).task,
            await submit_one(stores),
        ]
        for task in tasks:
            with pytest.raises(NoAnswer):
                await stores.grades.give(task.principal, task.id, GOOD)
            assert list(await stores.grades.of_task(task.principal, task.id)) == []

    async def test_a_tier_can_be_named_without_an_answer(self, stores: Stores):
        task = await submit_one(stores)
        assert (await stores.grades.give(OPERATOR, task.id, LABEL)).enough == "complex"

    async def test_nobody_grades_what_is_not_theirs(self, stores: Stores):
        task = await answered(stores)
        for stranger in (*STRANGERS, OPERATOR):
            with pytest.raises(NotFound):
                await stores.grades.give(stranger, task.id, GOOD)
            with pytest.raises(NotFound):
                await stores.grades.of_task(stranger, task.id)
        with pytest.raises(NotFound):
            await stores.grades.give(ALICE, rising_id(), GOOD)
        assert list(await stores.grades.of_task(ALICE, task.id)) == []

    @pytest.mark.parametrize("source", ["operator", "eval"])
    async def test_only_operators_speak_as_operators_and_evaluations(self, stores: Stores, source: str):
        task = await answered(stores)
        with pytest.raises(NotAllowed):
            await stores.grades.give(ALICE, task.id, NewGrade(source, "good"))  # pyright: ignore[reportArgumentType]
        with pytest.raises(NotFound):
            await stores.grades.give(OPERATOR, rising_id(), LABEL)

    async def test_an_operators_label_is_recorded_and_a_users_grade_is_not(self, stores: Stores):
        task = await answered(stores)
        await stores.grades.give(ALICE, task.id, GOOD)
        await stores.grades.give(OPERATOR, task.id, LABEL)
        (action,) = await stores.actions.list(OPERATOR, task.id)
        assert (action.kind, action.operator.user, action.note) == (ActionKind.LABEL, "olga", LABEL.note)
        assert action.target.detail == {"source": "operator", "grade": None, "tier": "complex"}
        assert (action.target.task_id, action.target.lane) == (task.id, task.lane)

    async def test_a_deleted_session_takes_its_grades_along(self, stores: Stores):
        task = await answered(stores)
        await stores.grades.give(ALICE, task.id, BAD)
        await stores.sessions.delete(ALICE, task.session_id)
        with pytest.raises(NotFound):
            await stores.grades.of_task(ALICE, task.id)
        assert list(await stores.grades.sessions(OPERATOR, EVERYTHING, 10, characters=100)) == []

    async def test_of_a_grade_and_a_deletion_at_once_nothing_is_left(self, stores: Stores):
        for _ in range(10):
            task = await answered(stores)
            await asyncio.gather(
                stores.grades.give(ALICE, task.id, BAD),
                stores.sessions.delete(ALICE, task.session_id),
                return_exceptions=True,
            )
            with pytest.raises(NotFound):
                await stores.grades.of_task(ALICE, task.id)
        assert list(await stores.grades.sessions(OPERATOR, EVERYTHING, 10, characters=100)) == []

    async def test_grades_of_several_at_once_are_one(self, stores: Stores):
        task = await answered(stores)
        await asyncio.gather(*(stores.grades.give(ALICE, task.id, one) for one in (GOOD, BAD) * 5))
        (grade,) = await stores.grades.of_task(ALICE, task.id)
        assert grade.mark in ("good", "bad")


class GradedSessionsContract:
    async def test_a_session_comes_with_its_first_message_and_all_graded_tasks(self, stores: Stores):
        first = await answered(stores, tier="simple", input="Where is it?", agent="support")
        ungraded = await answered(stores, tier="simple", session_id=first.session_id, input="And then?")
        last = await answered(stores, tier="complex", session_id=first.session_id, input="Why?")
        thumbs = [await stores.grades.give(ALICE, task.id, GOOD) for task in (first, last)]
        label = await stores.grades.give(OPERATOR, last.id, LABEL)
        (session,) = await stores.grades.sessions(OPERATOR, EVERYTHING, 10, characters=100)
        assert ungraded.id not in {grade.task_id for task in session.tasks for grade in task.grades}
        assert (session.id, session.agent, session.text) == (first.session_id, "support", "Where is it?")
        assert session.tasks == (GradedTask("simple", (thumbs[0],)), GradedTask("complex", (label, thumbs[1])))

    async def test_the_text_is_cut(self, stores: Stores):
        task = await answered(stores, input="Ärger mit der Bestellung")
        await stores.grades.give(ALICE, task.id, GOOD)
        (session,) = await stores.grades.sessions(OPERATOR, EVERYTHING, 10, characters=5)
        assert session.text == "Ärger"

    async def test_pages_follow_each_other_newest_first(self, stores: Stores):
        graded = [await answered(stores) for _ in range(5)]
        for task in graded:
            await stores.grades.give(ALICE, task.id, GOOD)
        await answered(stores)
        seen: list[SessionId] = []
        while page := await stores.grades.sessions(OPERATOR, EVERYTHING, 2, seen[-1] if seen else None, characters=100):
            assert len(page) <= 2
            seen += [session.id for session in page]
        assert seen == [task.session_id for task in reversed(graded)]

    async def test_filters(self, stores: Stores):
        old, new = await answered(stores), await answered(stores, BOB)
        await stores.grades.give(ALICE, old.id, GOOD)
        await stores.pass_time(0.01)
        given = await stores.grades.give(BOB, new.id, GOOD)
        for wanted, filter in (
            ([new, old], EVERYTHING),
            ([new, old], GradedFilter(agent="support")),
            ([], GradedFilter(agent="sales")),
            ([new], GradedFilter(since=given.at)),
            ([], GradedFilter(since=given.at + 60)),
        ):
            found = await stores.grades.sessions(OPERATOR, filter, 10, characters=100)
            assert [session.id for session in found] == [task.session_id for task in wanted], filter

    async def test_only_operators_read_them(self, stores: Stores):
        with pytest.raises(NotAllowed):
            await stores.grades.sessions(ALICE, EVERYTHING, 10, characters=100)


async def answered(stores: Stores, principal: Principal = ALICE, tier: str | None = None, **others: Any) -> Task:
    claimed = await run_one(stores, principal, **others)
    return (await settle(stores, claimed, output=b'"It is on its way."', tier=tier)).task
