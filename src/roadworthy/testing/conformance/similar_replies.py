"""What every `SimilarReplies` must do."""

from __future__ import annotations

import asyncio
from array import array
from dataclasses import replace
from uuid import uuid4

from roadworthy.ports.similar_replies import KeptQuestion, NewSimilarReply, Whereabouts
from roadworthy.testing.conformance.stores import Stores

HERE = Whereabouts(b"place", b"facts", ("all", "agent:support", "tenant:acme"))
SKETCH = b"\xff\x00" * 24
MANY = 1000


def kept_question(text: str = "Where is my parcel?") -> KeptQuestion:
    return KeptQuestion(uuid4(), text, array("f", [0.6, 0.8]).tobytes(), uuid4())


def new_reply(question: KeptQuestion, as_of: float, sketch: bytes = SKETCH, seconds: float = 3600) -> NewSimilarReply:
    return NewSimilarReply(question, sketch, b"reply to " + question.question.encode(), seconds, as_of)


def sketch_far_by(bits: int) -> bytes:
    """Differs from SKETCH in so many bits."""
    return (int.from_bytes(SKETCH) ^ ((1 << bits) - 1)).to_bytes(len(SKETCH))


class SimilarRepliesContract:
    """A `SimilarReplies`, given `stores`."""

    async def test_a_reply_is_found_as_it_was_kept(self, stores: Stores):
        question = await keep(stores, kept_question("Wo ist mein Päckchen? 🚚"))
        assert await near(stores) == [question]
        assert await stores.similar.replies([question.id, uuid4()]) == {
            question.id: "reply to Wo ist mein Päckchen? 🚚".encode()
        }

    async def test_where_nothing_is_kept_nothing_is_found(self, stores: Stores):
        found = await stores.similar.nearest(HERE, SKETCH, 16)
        assert found.kept == [] and found.as_of > 0
        assert await stores.similar.replies([]) == {}

    async def test_only_the_same_place_and_facts_are_searched(self, stores: Stores):
        await keep(stores, kept_question())
        assert await near(stores, replace(HERE, place=b"other")) == []
        assert await near(stores, replace(HERE, facts=b"other")) == []

    async def test_the_nearest_come_first_and_no_more_than_asked_for(self, stores: Stores):
        for bits in (40, 3, 200, 0, 17):
            await keep(stores, kept_question(f"{bits} bits away"), sketch_far_by(bits))
        found = await stores.similar.nearest(HERE, SKETCH, 3)
        assert [each.question for each in found.kept] == ["0 bits away", "3 bits away", "17 bits away"]

    async def test_a_reply_is_kept_for_its_seconds(self, stores: Stores):
        await keep(stores, kept_question(), seconds=0.3)
        assert len(await near(stores)) == 1
        await stores.pass_time(0.4)
        assert await near(stores) == []

    async def test_what_is_past_its_time_is_deleted_some_at_a_time(self, stores: Stores):
        late = [await keep(stores, kept_question(), seconds=0.1) for _ in range(3)]
        there = await keep(stores, kept_question())
        await stores.pass_time(0.2)
        assert [await stores.similar.forget_late(2) for _ in range(3)] == [2, 1, 0]
        assert set(await stores.similar.replies([each.id for each in (*late, there)])) == {there.id}

    async def test_of_too_many_those_leave_that_were_not_used_for_longest(self, stores: Stores):
        first, second, third = [await keep(stores, kept_question(name)) for name in ("first", "second", "third")]
        await stores.similar.used(first.id)
        fourth = await keep(stores, kept_question("fourth"), most=3)
        assert {each.id for each in await near(stores)} == {first.id, third.id, fourth.id}
        assert set(await stores.similar.replies([first.id, second.id, third.id])) == {first.id, third.id}

    async def test_other_places_lose_nothing_to_one_that_is_full(self, stores: Stores):
        elsewhere = replace(HERE, place=b"elsewhere")
        await keep(stores, kept_question(), where=elsewhere)
        for _ in range(3):
            await keep(stores, kept_question(), most=1)
        assert len(await near(stores, elsewhere)) == len(await near(stores)) == 1

    async def test_keeping_again_changes_nothing(self, stores: Stores):
        question = await keep(stores, kept_question())
        await stores.similar.used(question.id, confirmed=True)
        await stores.similar.keep(HERE, new_reply(question, await now(stores)), MANY)
        assert await near(stores) == [replace(question, confirmed=1)]

    async def test_confirmations_are_counted_by_all_workers_at_once(self, stores: Stores):
        question = await keep(stores, kept_question())
        await asyncio.gather(*(stores.similar.used(question.id, confirmed=True) for _ in range(20)))
        await stores.similar.used(question.id)
        assert [each.confirmed for each in await near(stores)] == [20]

    async def test_using_what_is_gone_does_nothing(self, stores: Stores):
        await stores.similar.used(uuid4(), confirmed=True)
        assert await near(stores) == []


class DroppedSimilarRepliesContract:
    """Marks of a `SimilarReplies`, given `stores`."""

    async def test_a_dropped_mark_takes_all_that_was_kept_under_it(self, stores: Stores):
        other = Whereabouts(b"place", b"facts of others", ("all", "agent:sales", "tenant:acme"))
        await keep(stores, kept_question())
        await keep(stores, kept_question(), where=other)
        await stores.similar.drop("agent:support")
        assert await near(stores) == []
        assert len(await near(stores, other)) == 1
        await stores.pass_time(0.01)
        assert [each.id for each in [await keep(stores, kept_question())]] == [each.id for each in await near(stores)]

    async def test_a_reply_to_a_question_from_before_the_drop_is_not_kept(self, stores: Stores):
        before = await now(stores)
        await stores.pass_time(0.01)
        await stores.similar.drop("tenant:acme")
        await stores.similar.keep(HERE, new_reply(kept_question(), before), MANY)
        assert await near(stores) == []

    async def test_dropping_twice_is_as_dropping_once(self, stores: Stores):
        await stores.similar.drop("all")
        await stores.similar.drop("all")
        await stores.pass_time(0.01)
        await keep(stores, kept_question())
        assert len(await near(stores)) == 1


class LessonsContract:
    """What a `SimilarReplies` remembers of comparisons, given `stores`."""

    async def test_counts_of_all_workers_add_up(self, stores: Stores):
        sums = await asyncio.gather(*(stores.similar.learn(b"family", [1, 0, n], MANY) for n in range(20)))
        assert max(sums) == [20, 0, 190] == await stores.similar.learn(b"family", [], MANY)

    async def test_families_learn_apart(self, stores: Stores):
        await stores.similar.learn(b"family", [1, 2], MANY)
        assert await stores.similar.learn(b"another", [], MANY) == []

    async def test_above_the_most_all_are_halved(self, stores: Stores):
        assert await stores.similar.learn(b"family", [1000, 7, 0], MANY) == [1000, 7, 0]
        assert await stores.similar.learn(b"family", [1, 1, 0], MANY) == [500, 4, 0]

    async def test_counts_of_another_length_begin_anew(self, stores: Stores):
        await stores.similar.learn(b"family", [9, 9, 9], MANY)
        assert await stores.similar.learn(b"family", [1, 2], MANY) == [1, 2]
        assert await stores.similar.learn(b"family", [3, 4, 5], MANY) == [3, 4, 5]


async def now(stores: Stores) -> float:
    return (await stores.similar.nearest(HERE, SKETCH, 1)).as_of


async def near(stores: Stores, where: Whereabouts = HERE) -> list[KeptQuestion]:
    return list((await stores.similar.nearest(where, SKETCH, 16)).kept)


async def keep(
    stores: Stores,
    question: KeptQuestion,
    sketch: bytes = SKETCH,
    seconds: float = 3600,
    where: Whereabouts = HERE,
    most: int = MANY,
) -> KeptQuestion:
    await stores.similar.keep(where, new_reply(question, await now(stores), sketch, seconds), most)
    # Uses are told apart by their time.
    await stores.pass_time(0.001)
    return question
