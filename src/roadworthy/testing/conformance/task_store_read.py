"""Reading tasks: only one's own, page by page."""

from __future__ import annotations

import pytest

from roadworthy.domain.errors import NotFound
from roadworthy.domain.principal import Principal
from roadworthy.domain.task import TaskStatus
from roadworthy.ports.task_store import TaskFilter
from roadworthy.testing.conformance.scenario import (
    ALICE,
    BOB,
    STRANGERS,
    entry,
    new_task,
    park,
    rising_id,
    run_one,
    settle,
    submit,
    submit_one,
)
from roadworthy.testing.conformance.stores import Stores


class ReadTasksContract:
    async def test_a_task_that_is_not_there_is_not_found(self, stores: Stores):
        with pytest.raises(NotFound):
            await stores.tasks.find(ALICE, rising_id())

    @pytest.mark.parametrize("stranger", STRANGERS, ids=["other user", "other tenant"])
    async def test_a_stranger_sees_nothing(self, stores: Stores, stranger: Principal):
        hers = await submit_one(stores)
        with pytest.raises(NotFound):
            await stores.tasks.find(stranger, hers.id)
        assert await stores.tasks.list(stranger, TaskFilter()) == []
        assert await stores.tasks.list(stranger, TaskFilter(session_id=hers.session_id)) == []

    async def test_scopes_do_not_decide_whose_a_task_is(self, stores: Stores):
        hers = await submit_one(stores)
        same = Principal(ALICE.tenant, ALICE.user, scopes=frozenset({"operator"}))
        assert (await stores.tasks.find(same, hers.id)).id == hers.id

    async def test_the_list_is_newest_first_and_ones_own(self, stores: Stores):
        tasks = [await submit_one(stores, principal) for principal in (ALICE, BOB, ALICE, BOB, ALICE)]
        listed = await stores.tasks.list(ALICE, TaskFilter())
        assert listed == [tasks[4], tasks[2], tasks[0]]

    async def test_pages_follow_each_other_without_gap_or_repeat(self, stores: Stores):
        tasks = await submit(stores, *(new_task() for _ in range(7)))
        pages = [await stores.tasks.list(ALICE, TaskFilter(limit=3))]
        while pages[-1]:
            pages.append(await stores.tasks.list(ALICE, TaskFilter(limit=3, before=pages[-1][-1].id)))
        assert [len(page) for page in pages] == [3, 3, 1, 0]
        assert [task.id for page in pages for task in page] == [task.id for task in reversed(tasks)]

    async def test_filters_go_together(self, stores: Stores):
        waiting = await park(stores)
        behind = await submit_one(stores, session_id=waiting.session_id)
        billing = await submit_one(stores, agent="billing")
        wanted = {
            TaskFilter(status=TaskStatus.WAITING): [waiting],
            TaskFilter(session_id=waiting.session_id): [behind, waiting],
            TaskFilter(session_id=waiting.session_id, status=TaskStatus.BLOCKED): [behind],
            TaskFilter(agent="billing"): [billing],
            TaskFilter(agent="billing", status=TaskStatus.RUNNING): [],
            TaskFilter(agent="support", before=behind.id): [waiting],
        }
        for filter, tasks in wanted.items():
            assert await stores.tasks.list(ALICE, filter) == tasks, filter

    async def test_positions_say_how_far_each_task_is(self, stores: Stores):
        claimed = await run_one(stores)
        await stores.journal.append([entry(claimed, "input"), entry(claimed, "m1")])
        ended = (await settle(stores, await run_one(stores), TaskStatus.PARTIAL)).task
        parked = await park(stores)
        queued = await submit_one(stores)
        task_ids = [claimed.task.id, ended.id, parked.id, queued.id, rising_id()]
        assert await stores.tasks.positions(task_ids) == {
            claimed.task.id: (2, 2, False),
            ended.id: (0, 3, True),
            parked.id: (0, 3, False),
            queued.id: (0, 1, False),
        }

    async def test_positions_of_no_tasks_are_none(self, stores: Stores):
        assert await stores.tasks.positions([]) == {}

    async def test_a_store_that_is_there_answers_a_ping(self, stores: Stores):
        await stores.tasks.ping()
