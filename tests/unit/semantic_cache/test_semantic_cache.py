import asyncio
import random
from collections.abc import Iterator
from dataclasses import replace

import pytest

from roadworthy.core.model_gateway.cache_place import CachePlace
from roadworthy.core.model_gateway.model_reply import ModelReply
from roadworthy.domain.errors import StoreUnavailable

from .different_questions import different_questions
from .standing_in import ENOUGH, PLACE, Directions, Surroundings, asked, reply, wordings

QUESTION, IN_OTHER_WORDS = "How do I block my card?", "Can you tell me how I can block my card?"


@pytest.fixture
async def around() -> Surroundings:
    return Surroundings()


async def test_a_reply_answers_a_question_that_means_the_same(around: Surroundings):
    cache = await around.learnt()
    assert await asked(cache, QUESTION, "In the app.") is None
    found = await cache.look(PLACE, IN_OTHER_WORDS)
    assert found is not None
    assert (found.reply.text, found.reply.payload, found.cache) == ("In the app.", b"In the app.", "semantic")
    assert (found.detail["similar"]["question"], found.detail["similar"]["similarity"]) == (QUESTION, 1)


async def test_nothing_is_answered_before_enough_was_compared(around: Surroundings):
    cache = around.worker()
    first = None
    for number, wording in enumerate(wordings(ENOUGH)):
        if await asked(cache, wording, "In the app.") is not None:
            first = number
            break
    assert first is not None
    # With none wrong in n requests, up to 3 in n may be (95 %).
    assert 300 <= first < ENOUGH


async def test_no_pair_that_differs_in_one_thing_is_answered_though_all_vectors_are_equal(around: Surroundings):
    cache = await around.learnt()
    same = 0
    for number, pair in enumerate(different_questions(1000, seed=7)):
        here = replace(PLACE, hard_key=b"%d" % number)
        await asked(cache, pair.one, "The answer to the one.", here)
        assert await cache.look(here, pair.other) is None, pair
        same += await cache.look(here, pair.one) is not None
    assert same > 950


@pytest.mark.parametrize(
    "place",
    [
        replace(PLACE, hard_key=b"of another user, model or agent, or with other tools"),
        replace(PLACE, attempt_has_written=True),
    ],
)
async def test_what_was_kept_elsewhere_is_not_found(around: Surroundings, place: CachePlace):
    cache = await around.learnt()
    await asked(cache, QUESTION, "In the app.")
    assert await cache.look(place, QUESTION) is None
    assert await cache.look(PLACE, QUESTION) is not None


async def test_after_a_tool_wrote_nothing_is_even_embedded_or_kept(around: Surroundings):
    cache = around.worker()
    assert await asked(cache, QUESTION, "In the app.", replace(PLACE, attempt_has_written=True)) is None
    assert around.embedder.asked == []
    assert around.database.similar.rows == {}


async def test_vectors_of_another_embedder_are_not_compared(around: Surroundings):
    await asked(around.worker(), QUESTION, "In the app.")
    await asked(around.worker(embedder=Directions(name="another")), QUESTION, "In the app.")
    rows = list(around.database.similar.rows.values())
    assert len({row.where.place for row in rows}) == len({row.question.answer for row in rows}) == 2


async def test_where_the_neighbours_disagree_nothing_is_answered(around: Surroundings):
    around.embedder.degrees |= {QUESTION: 2, "What of my card?": 0, "And what of the card?": 4}
    cache, shadow = await around.learnt(), around.worker(lambda: 0.0)
    await asked(shadow, "What of my card?", "It is blue.")
    assert await cache.look(PLACE, QUESTION) is not None
    await asked(shadow, "And what of the card?", "It is in the post.")
    assert await cache.look(PLACE, QUESTION) is None


async def test_who_is_alone_must_be_near(around: Surroundings):
    around.embedder.degrees |= {QUESTION: 0, IN_OTHER_WORDS: 45}
    cache = await around.learnt()
    await asked(cache, QUESTION, "In the app.")
    assert await cache.look(PLACE, IN_OTHER_WORDS) is None


async def test_the_same_words_are_answered_before_anything_was_learnt(around: Surroundings):
    cache = around.worker(lambda: 0.0)
    assert await asked(cache, QUESTION, "In the app.") is None
    for repeat in (QUESTION, f"  {QUESTION.replace(' ', '  ')} "):
        found = await cache.look(PLACE, repeat)
        assert found is not None
        assert found.reply.text == "In the app."
    for other in (QUESTION.lower(), QUESTION.replace("card", "key"), IN_OTHER_WORDS):
        assert await cache.look(PLACE, other) is None
    assert await cache.look(replace(PLACE, hard_key=b"another user"), QUESTION) is None


async def test_the_same_words_with_two_answers_are_asked_again(around: Surroundings):
    one, other = around.worker(), around.worker()
    for cache in (one, other):
        assert await cache.look(PLACE, QUESTION) is None
    await one.keep(PLACE, QUESTION, reply("In the app."))
    await other.keep(PLACE, QUESTION, reply("Call us."))
    assert await one.look(PLACE, QUESTION) is None


async def test_nothing_is_learnt_from_the_same_words(around: Surroundings):
    cache = around.worker()
    for _ in range(ENOUGH):
        await asked(cache, QUESTION, "In the app.")
    assert await cache.look(PLACE, IN_OTHER_WORDS) is None
    await cache.close()
    (counts,) = around.database.similar.lessons.values()
    assert (counts[0], sum(counts[1:])) == (ENOUGH + 1, 1)


async def test_a_tenth_is_asked_all_the_same_and_what_differs_then_is_not_used_any_more(around: Surroundings):
    cache, shadow = await around.learnt(), around.worker(lambda: 0.0999)
    await asked(cache, QUESTION, "In the app.")
    assert await around.worker(lambda: 0.1).look(PLACE, IN_OTHER_WORDS) is not None
    assert await asked(shadow, IN_OTHER_WORDS, "The app has no such thing any more.") is None
    # Two answers to one question: neither is to be trusted.
    assert await cache.look(PLACE, "Tell me, how could I block my card?") is None


async def test_a_shadow_call_that_says_the_same_confirms_the_reply(around: Surroundings):
    await asked(await around.learnt(), QUESTION, "In the app.")
    await asked(around.worker(lambda: 0.05), IN_OTHER_WORDS, "In the app.")
    asked_about = (QUESTION, IN_OTHER_WORDS)
    rows = [row for row in around.database.similar.rows.values() if row.question.question in asked_about]
    assert sorted(row.question.confirmed for row in rows) == [0, 1]
    assert len({row.question.answer for row in rows}) == 1


async def test_another_worker_knows_what_was_learnt_and_kept(around: Surroundings):
    cache = await around.learnt()
    await asked(cache, QUESTION, "In the app.")
    await cache.close()
    assert await around.worker().look(PLACE, IN_OTHER_WORDS) is not None


async def test_workers_learn_together(around: Surroundings):
    async def work() -> None:
        worker = around.worker()
        for _ in range(20):
            await asked(worker, QUESTION, "In the app.")
            await around.clock.advance(1)
        await worker.close()

    await asyncio.gather(*(work() for _ in range(4)))
    (counts,) = around.database.similar.lessons.values()
    assert counts[0] == 80


async def test_a_dropped_mark_takes_replies_and_those_that_are_under_way(around: Surroundings):
    cache = await around.learnt()
    await asked(cache, QUESTION, "In the app.")
    assert await cache.look(PLACE, IN_OTHER_WORDS) is not None
    late = "How can I unblock my card?"
    assert await cache.look(PLACE, late) is None
    await around.clock.advance(1)
    await around.store.drop("agent:support")
    await cache.keep(PLACE, late, reply("Call us."))
    assert await cache.look(PLACE, IN_OTHER_WORDS) is None
    assert await cache.look(PLACE, late) is None


async def test_a_reply_is_kept_for_its_seconds(around: Surroundings):
    cache = await around.learnt()
    await asked(cache, QUESTION, "In the app.")
    await around.clock.advance(3599)
    assert await cache.look(PLACE, IN_OTHER_WORDS) is not None
    await around.clock.advance(2)
    assert await cache.look(PLACE, IN_OTHER_WORDS) is None


async def test_what_cannot_be_read_any_more_is_asked_again(around: Surroundings):
    cache = await around.learnt()
    await asked(cache, QUESTION, "In the app.")
    for row in around.database.similar.rows.values():
        row.reply = row.reply[:-1] + b"?"
    assert await asked(cache, QUESTION, "In the app.") is None


async def test_a_reply_without_a_look_teaches_nothing(around: Surroundings):
    await around.worker().keep(PLACE, QUESTION, reply("In the app."))
    await around.worker().keep(PLACE, QUESTION, ModelReply(b"", "model"))
    assert around.database.similar.rows == {}


async def test_while_the_store_is_away_the_cache_says_so_and_forgets_nothing_that_it_learnt(around: Surroundings):
    cache = around.worker()
    await asked(cache, QUESTION, "In the app.")
    around.faults.plan("similar_replies.nearest", "never")
    with pytest.raises(StoreUnavailable):
        await cache.look(PLACE, QUESTION)
    around.faults.plan("similar_replies.learn", "never")
    await around.clock.advance(10)
    await asked(cache, QUESTION, "In the app.")
    await around.clock.advance(10)
    await asked(cache, QUESTION, "In the app.")
    await cache.close()
    (counts,) = around.database.similar.lessons.values()
    assert counts[0] == 3


async def test_wrong_answers_stay_within_the_budget_though_near_questions_often_differ(around: Surroundings):
    """Topics lie a few degrees apart, and questions a few off their own: the nearest one is often of another."""
    cache = around.worker(random.Random(3).random)
    place = replace(PLACE, error_budget=0.05)
    hits = wrong = 0
    questions = list(_questions(around.embedder, random.Random(5), 1500))
    for question, topic in questions:
        found = await asked(cache, question, topic, place)
        hits += found is not None
        wrong += found is not None and found.reply.text != topic
    assert 0 < wrong <= 0.05 * len(questions)
    assert hits > 0.15 * len(questions)


def _questions(embedder: Directions, draw: random.Random, count: int) -> Iterator[tuple[str, str]]:
    for _ in range(count):
        topic = draw.randrange(60)
        question = f"What is the matter with {_word(draw)} {_word(draw)} {_word(draw)}?"
        embedder.degrees[question] = topic * 6 + draw.gauss(0, 2)
        yield question, f"topic {topic}"


def _word(draw: random.Random) -> str:
    return "".join(draw.choice("bdklmnprst") + draw.choice("aeiou") for _ in range(4))
