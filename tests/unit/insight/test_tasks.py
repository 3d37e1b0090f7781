import asyncio

import pytest
from task_life import World

from roadworthy.adapters.memory.session_store import MemorySessionStore
from roadworthy.core.insight.page import cursor_after, id_of_cursor
from roadworthy.core.insight.sessions import Sessions
from roadworthy.core.insight.tasks import Tasks
from roadworthy.domain.errors import IllegalCursor, NotFound
from roadworthy.domain.ids import new_id
from roadworthy.domain.principal import DEVELOPER, Principal
from roadworthy.domain.task import TaskStatus
from roadworthy.ports.task_store import TaskFilter


@pytest.fixture
async def world():
    world = World()
    yield world
    await world.settle()
    assert asyncio.all_tasks() == {asyncio.current_task()}


@pytest.fixture
def tasks(world: World) -> Tasks:
    return Tasks(world.task_store, world.journal, world.follow)


async def test_pages_cover_everything_once(world: World, tasks: Tasks):
    made = [(await world.life()).task.id for _ in range(7)]
    seen, cursor = [], None
    while True:
        page = await tasks.list(DEVELOPER, TaskFilter(limit=3), cursor)
        seen += [task.id for task in page.items]
        cursor = page.next_cursor
        if cursor is None:
            break
    assert sorted(seen) == sorted(made)
    assert seen == sorted(seen, reverse=True)


@pytest.mark.parametrize(
    "cursor", ["", "x", "ä", "AAAA", "A" * 21 + "B", "A" * 22 + "==", "A" * 23, "!" * 22, "A" * 44]
)
def test_cursors_that_no_page_gave(cursor: str):
    with pytest.raises(IllegalCursor):
        id_of_cursor(cursor)


def test_a_cursor_is_the_id():
    id_ = new_id()
    assert id_of_cursor(cursor_after(id_)) == id_


async def test_sessions_in_pages(world: World):
    made = [(await world.life()).task.session_id for _ in range(3)]
    sessions = Sessions(MemorySessionStore(world.database))
    first = await sessions.list(DEVELOPER, 2)
    second = await sessions.list(DEVELOPER, 2, first.next_cursor)
    assert sorted(session.id for page in (first, second) for session in page.items) == sorted(made)
    assert second.next_cursor is None


async def test_the_steps_are_the_journal_as_a_tree(world: World, tasks: Tasks):
    life = await world.life()
    await life.claim()
    await life.say("Let me look.")
    await life.reply("find_order", "refund")
    await life.result("find_order", 0)
    await life.begin("refund", 1)
    first, *others = await tasks.steps(DEVELOPER, life.task.id)
    assert not others
    assert (first["step"], first["model"], first["text"], first["cost_usd"]) == (1, "m", "Let me look.", "0.000012")
    assert first["usage"] == {"input_tokens": 3, "output_tokens": 5}
    assert first["seconds"] == 0.5
    done, started = first["tool_calls"]
    assert (done["tool"], done["outcome"], done["result"], done["seconds"]) == ("find_order", "done", 7, 0.1)
    assert (started["tool"], started["outcome"]) == ("refund", "started")
    with pytest.raises(NotFound):
        await tasks.steps(Principal("dev", "eve"), life.task.id)


async def test_waiting_for_the_end(world: World, tasks: Tasks):
    life = await world.life()
    waiting = asyncio.create_task(tasks.wait_for_end(DEVELOPER, life.task.id, 60))
    await life.claim()
    await life.say("hm")
    await world.settle()
    assert not waiting.done()
    await life.settle(TaskStatus.PARTIAL, "the task used up its 15 steps")
    ended = await waiting
    assert ended is not None
    assert ended.status is TaskStatus.PARTIAL
    assert await tasks.wait_for_end(DEVELOPER, life.task.id, 60) == ended


async def test_waiting_in_vain(world: World, tasks: Tasks):
    life = await world.life()
    assert await tasks.wait_for_end(DEVELOPER, life.task.id, 0.01) is None
    with pytest.raises(NotFound):
        await tasks.wait_for_end(Principal("dev", "eve"), life.task.id, 1)
