"""Submitting: accepted means committed, once, and only what is the caller's."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from roadworthy.domain.errors import NotFound
from roadworthy.domain.event import changed_number
from roadworthy.domain.journal import NotStorable
from roadworthy.domain.limits import Limits
from roadworthy.domain.principal import Principal
from roadworthy.domain.task import TaskStatus, Usage
from roadworthy.ports.task_store import (
    KeyReused,
    NoSuchSession,
    Submitted,
    SubmittedBefore,
    TaskFilter,
)
from roadworthy.testing.conformance.scenario import (
    ALICE,
    ALICE_ELSEWHERE,
    BOB,
    STRANGERS,
    claim_one,
    new_task,
    rising_id,
    submit,
    submit_one,
)
from roadworthy.testing.conformance.stores import Stores


class SubmitContract:
    async def test_an_accepted_task_is_there_as_it_was_submitted(self, stores: Stores):
        limits = Limits(steps=3, cost_usd="0.05", queue_seconds=12.5)
        new = new_task(input="Grüße 🚚", metadata=b'{"order": [1, "x"]}', priority=7, limits=limits)
        (accepted,) = await submit(stores, new)
        task = await stores.tasks.find(ALICE, new.id)
        assert task == accepted
        assert (task.id, task.session_id, task.agent, task.version) == (new.id, new.session_id, "support", "1")
        assert (task.principal.tenant, task.principal.user) == ("acme", "alice")
        assert (task.input, task.metadata, task.priority) == ("Grüße 🚚", b'{"order": [1, "x"]}', 7)
        assert task.limits == limits
        assert (task.status, task.reason, task.output, task.error) == (TaskStatus.QUEUED, None, None, None)
        assert (task.attempt, task.failures, task.journal_length, task.usage) == (0, 0, 0, Usage())
        assert (task.running_seconds, task.cancel_requested) == (0, False)
        assert (task.started_at, task.ended_at) == (None, None)

    async def test_the_first_change_says_queued(self, stores: Stores):
        task = await submit_one(stores)
        (change,) = task.changes
        assert change.number == changed_number(0, 0, 0, TaskStatus.QUEUED)
        assert (change.status, change.reason) == (TaskStatus.QUEUED, None)
        assert change.at == pytest.approx(task.created_at, abs=1)

    async def test_outcomes_come_in_the_order_of_the_tasks(self, stores: Stores):
        tasks = [new_task(input=f"message {n}") for n in range(200)]
        accepted = await submit(stores, *tasks)
        assert [task.id for task in accepted] == [new.id for new in tasks]
        assert [task.input for task in accepted] == [new.input for new in tasks]

    async def test_submitting_nothing_does_nothing(self, stores: Stores):
        assert await stores.tasks.submit([]) == []

    async def test_submitting_again_after_a_lost_acknowledgement_answers_the_same(self, stores: Stores):
        new = new_task(idempotency_key="key", request_digest=b"a")
        first, again = await stores.tasks.submit([new]), await stores.tasks.submit([new])
        assert first == again
        assert isinstance(again[0], Submitted)
        assert len(await stores.tasks.list(ALICE, TaskFilter())) == 1

    async def test_submitting_again_answers_with_the_task_as_it_is_now(self, stores: Stores):
        new = new_task()
        await submit(stores, new)
        claimed = await claim_one(stores)
        assert await submit(stores, new) == [claimed.task]

    async def test_the_same_task_twice_at_once_is_one_task(self, stores: Stores):
        new = new_task()
        together = await asyncio.gather(
            *(stores.tasks.submit([new]) for _ in range(4)), stores.tasks.submit([new, new])
        )
        assert all(isinstance(outcome, Submitted) for outcomes in together for outcome in outcomes)
        task = await stores.tasks.find(ALICE, new.id)
        assert (task.status, len(task.changes)) == (TaskStatus.QUEUED, 1)
        assert len(await stores.tasks.list(ALICE, TaskFilter())) == 1

    async def test_an_id_that_is_somebody_elses_tells_and_changes_nothing(self, stores: Stores):
        hers = await submit_one(stores)
        outcomes = await stores.tasks.submit([replace(new_task(BOB), id=hers.id), good := new_task(BOB)])
        assert not isinstance(outcomes[0], Submitted | SubmittedBefore)
        assert isinstance(outcomes[1], Submitted)
        assert await stores.tasks.find(ALICE, hers.id) == hers
        assert [task.id for task in await stores.tasks.list(BOB, TaskFilter())] == [good.id]

    async def test_an_idempotency_key_used_for_the_same_request_answers_with_its_task(self, stores: Stores):
        first = await submit_one(stores, idempotency_key="key", request_digest=b"a")
        repeated = new_task(idempotency_key="key", request_digest=b"a")
        assert await stores.tasks.submit([repeated]) == [SubmittedBefore(first)]
        with pytest.raises(NotFound):
            await stores.tasks.find(ALICE, repeated.id)
        with pytest.raises(NotFound):
            await stores.sessions.find(ALICE, repeated.session_id)

    async def test_an_idempotency_key_used_for_another_request_is_refused(self, stores: Stores):
        await submit_one(stores, idempotency_key="key", request_digest=b"a")
        other = new_task(idempotency_key="key", request_digest=b"b")
        assert await stores.tasks.submit([other]) == [KeyReused()]
        with pytest.raises(NotFound):
            await stores.tasks.find(ALICE, other.id)

    async def test_what_a_used_key_would_answer_can_be_asked_without_submitting(self, stores: Stores):
        assert await stores.tasks.submitted_before(ALICE, "key", b"a") is None
        (first,) = await submit(stores, new_task(idempotency_key="key", request_digest=b"a"))
        assert await stores.tasks.submitted_before(ALICE, "key", b"a") == SubmittedBefore(first)
        assert await stores.tasks.submitted_before(ALICE, "key", b"b") == KeyReused()
        for principal in STRANGERS:
            assert await stores.tasks.submitted_before(principal, "key", b"a") is None

    async def test_idempotency_keys_of_different_users_and_tenants_are_different_keys(self, stores: Stores):
        accepted = [
            await submit_one(stores, principal, idempotency_key="key", request_digest=principal.tenant.encode())
            for principal in (ALICE, BOB, ALICE_ELSEWHERE)
        ]
        assert len({task.id for task in accepted}) == 3

    async def test_of_one_idempotency_key_used_at_once_one_task_is_made(self, stores: Stores):
        requests = [new_task(idempotency_key="key", request_digest=b"a") for _ in range(6)]
        together = await asyncio.gather(
            *(stores.tasks.submit([new]) for new in requests[:4]), stores.tasks.submit(requests[4:])
        )
        outcomes = [outcome for outcomes in together for outcome in outcomes]
        made = [outcome.task.id for outcome in outcomes if isinstance(outcome, Submitted)]
        before = [outcome.task.id for outcome in outcomes if isinstance(outcome, SubmittedBefore)]
        assert len(made) == 1
        assert before == made * 5
        assert [task.id for task in await stores.tasks.list(ALICE, TaskFilter())] == made

    async def test_a_session_that_is_not_there_is_told(self, stores: Stores):
        lost = new_task(session_id=rising_id())
        assert await stores.tasks.submit([lost]) == [NoSuchSession()]
        assert await stores.tasks.list(ALICE, TaskFilter()) == []

    @pytest.mark.parametrize("stranger", STRANGERS, ids=["other user", "other tenant"])
    async def test_a_session_of_somebody_else_looks_as_if_it_was_not_there(self, stores: Stores, stranger: Principal):
        hers = await submit_one(stores)
        intruding = new_task(stranger, session_id=hers.session_id)
        assert await stores.tasks.submit([intruding]) == [NoSuchSession()]
        opening = replace(new_task(stranger), session_id=hers.session_id)
        assert not isinstance((await stores.tasks.submit([opening]))[0], Submitted | SubmittedBefore)
        assert await stores.tasks.list(stranger, TaskFilter()) == []
        assert await stores.tasks.find(ALICE, hers.id) == hers

    @pytest.mark.parametrize("bad", [{"input": "a\0b"}, {"input": "\ud800"}, {"metadata": b'{"a": "\\u0000"}'}])
    async def test_one_that_cannot_be_stored_fails_alone(self, stores: Stores, bad: dict[str, Any]):
        tasks = [new_task(), new_task(**bad), new_task()]
        first, middle, last = await stores.tasks.submit(tasks)
        assert isinstance(first, Submitted)
        assert isinstance(last, Submitted)
        if isinstance(middle, NotStorable):
            tasks.pop(1)
        else:
            task = await stores.tasks.find(ALICE, tasks[1].id)
            assert (task.input, task.metadata) == (tasks[1].input, tasks[1].metadata)
        listed = await stores.tasks.list(ALICE, TaskFilter())
        assert [task.id for task in listed] == [new.id for new in reversed(tasks)]
