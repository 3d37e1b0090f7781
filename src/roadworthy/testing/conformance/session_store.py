"""What every `SessionStore` must do."""

from __future__ import annotations

import pytest

from roadworthy.domain.errors import NotFound, SessionBusy
from roadworthy.domain.ids import SessionId
from roadworthy.domain.principal import Principal
from roadworthy.domain.task import TaskStatus, Turn
from roadworthy.ports.task_store import NoSuchSession, TaskFilter
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
    submit_one,
    turn,
)
from roadworthy.testing.conformance.stores import Stores


class SessionStoreContract:
    """A `SessionStore`, given `stores`."""

    async def test_a_session_opens_with_its_first_task(self, stores: Stores):
        task = await submit_one(stores)
        session = await stores.sessions.find(ALICE, task.session_id)
        assert (session.id, session.turns) == (task.session_id, 0)
        assert (session.principal.tenant, session.principal.user) == ("acme", "alice")
        assert session.created_at == pytest.approx(task.created_at, abs=1)

    async def test_the_list_is_newest_first_and_ones_own(self, stores: Stores):
        tasks = [await submit_one(stores, principal) for principal in (ALICE, BOB, ALICE, ALICE)]
        listed = [session.id for session in await stores.sessions.list(ALICE)]
        assert listed == [tasks[n].session_id for n in (3, 2, 0)]

    async def test_pages_follow_each_other_without_gap_or_repeat(self, stores: Stores):
        opened = [(await submit_one(stores)).session_id for _ in range(5)]
        pages = [await stores.sessions.list(ALICE, limit=2)]
        while pages[-1]:
            pages.append(await stores.sessions.list(ALICE, limit=2, before=pages[-1][-1].id))
        assert [session.id for page in pages for session in page] == opened[::-1]

    async def test_history_is_the_first_turns_oldest_first(self, stores: Stores):
        session_id = await conversation(stores, ["one", "two", "three"])
        for turns, texts in ((0, []), (2, ["one", "two"]), (9, ["one", "two", "three"])):
            history = await stores.sessions.history(ALICE, session_id, turns)
            assert list(history) == [turn(text) for text in texts]
        assert (await stores.sessions.find(ALICE, session_id)).turns == 3

    async def test_history_keeps_bytes_and_framework(self, stores: Stores):
        claimed = await run_one(stores)
        kept = Turn("pydantic_ai", b"\x00\xff")
        await settle(stores, claimed, turn=kept)
        assert list(await stores.sessions.history(ALICE, claimed.task.session_id, 1)) == [kept]

    async def test_messages_are_what_was_said_oldest_first(self, stores: Stores):
        session_id = await conversation(stores, ["one", "two"])
        messages = await stores.sessions.messages(ALICE, session_id)
        said = [(message.role, message.content) for message in messages]
        assert said == [
            ("user", "ask one"),
            ("assistant", {"answer": "one"}),
            ("user", "ask two"),
            ("assistant", {"answer": "two"}),
        ]
        assert messages[0].task_id == messages[1].task_id != messages[2].task_id
        assert [message.at for message in messages] == sorted(message.at for message in messages)

    async def test_a_message_without_an_answer_yet_is_shown(self, stores: Stores):
        task = await submit_one(stores, input="anybody there?")
        said = await stores.sessions.messages(ALICE, task.session_id)
        assert [(message.role, message.content) for message in said] == [("user", "anybody there?")]

    async def test_a_partial_answer_is_shown(self, stores: Stores):
        claimed = await run_one(stores)
        await settle(stores, claimed, TaskStatus.PARTIAL, output=b'"as far as I got"')
        said = await stores.sessions.messages(ALICE, claimed.task.session_id)
        assert said[-1].content == "as far as I got"

    @pytest.mark.parametrize("stranger", STRANGERS, ids=["other user", "other tenant"])
    async def test_a_stranger_sees_nothing(self, stores: Stores, stranger: Principal):
        session_id = await conversation(stores, ["one"])
        for read in (stores.sessions.find, stores.sessions.messages, stores.sessions.delete):
            with pytest.raises(NotFound):
                await read(stranger, session_id)
        assert await stores.sessions.list(stranger) == []
        assert await history_or_nothing(stores, stranger, session_id) == []
        assert (await stores.sessions.find(ALICE, session_id)).turns == 1

    async def test_a_session_that_is_not_there_is_not_found(self, stores: Stores):
        for read in (stores.sessions.find, stores.sessions.messages, stores.sessions.delete):
            with pytest.raises(NotFound):
                await read(ALICE, rising_id())
        assert await history_or_nothing(stores, ALICE, rising_id()) == []


class DeleteSessionContract:
    async def test_deleting_takes_tasks_journals_and_messages_along(self, stores: Stores):
        claimed = await run_one(stores, idempotency_key="key", request_digest=b"a")
        await stores.journal.append([entry(claimed, "input")])
        await settle(stores, claimed, turn=turn("one"), output=b'"one"')
        session_id, kept = claimed.task.session_id, await submit_one(stores)
        await stores.sessions.delete(ALICE, session_id)
        with pytest.raises(NotFound):
            await stores.sessions.find(ALICE, session_id)
        with pytest.raises(NotFound):
            await stores.tasks.find(ALICE, claimed.task.id)
        assert await stores.journal.read(ALICE, claimed.task.id) == []
        assert await stores.tasks.positions([claimed.task.id]) == {}
        assert await stores.tasks.list(ALICE, TaskFilter()) == [kept]
        assert await stores.tasks.submit([new_task(session_id=session_id)]) == [NoSuchSession()]

    @pytest.mark.parametrize("status", ["queued", "running", "waiting"])
    async def test_a_busy_session_is_not_deleted(self, stores: Stores, status: str):
        match status:
            case "queued":
                task = await submit_one(stores)
            case "running":
                task = (await run_one(stores)).task
            case _:
                task = await park(stores)
        with pytest.raises(SessionBusy):
            await stores.sessions.delete(ALICE, task.session_id)
        assert await stores.tasks.find(ALICE, task.id) == task

    async def test_a_session_whose_task_is_dead_can_be_deleted(self, stores: Stores):
        claimed = await run_one(stores)
        await settle(stores, claimed, TaskStatus.DEAD)
        await stores.sessions.delete(ALICE, claimed.task.session_id)
        with pytest.raises(NotFound):
            await stores.tasks.find(ALICE, claimed.task.id)


async def conversation(stores: Stores, answers: list[str]) -> SessionId:
    """A session in which each of these was answered by one task."""
    session_id: SessionId | None = None
    for answer in answers:
        claimed = await run_one(stores, session_id=session_id, input=f"ask {answer}")
        session_id = claimed.task.session_id
        await settle(stores, claimed, output=b'{"answer": "%s"}' % answer.encode(), turn=turn(answer))
        await stores.pass_time(0.002)
    assert session_id is not None
    return session_id


async def history_or_nothing(stores: Stores, principal: Principal, session_id: SessionId) -> list[object]:
    """A store may say NotFound or give no turns."""
    try:
        return list(await stores.sessions.history(principal, session_id, 10))
    except NotFound:
        return []
