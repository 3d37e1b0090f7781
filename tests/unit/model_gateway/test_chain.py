"""One answer from a chain of models: which are asked, how often, when, and what is said when none answers."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import orjson
import pytest

from roadworthy.core.model_gateway.breakers import ModelBreakers
from roadworthy.domain.event import EventKind
from roadworthy.domain.failure_class import FailureClass, Remedy
from roadworthy.domain.limits import Limits
from roadworthy.domain.price import Price
from roadworthy.domain.service import ModelTiers
from roadworthy.domain.task import TaskStatus

from .desk import Answered, Desk, Outcome, Says, in_virtual_time, run, try_once

WRONG_CONTEXT = Answered(400, "maximum context length is 4096 tokens")


def output(task: Any) -> Any:
    return orjson.loads(task.output)


def test_the_first_model_answers_and_no_other_is_asked():
    desk = Desk({"a": ["yes"], "b": ["no"]})
    task = run(desk)
    assert (task.status, output(task)) == (TaskStatus.SUCCEEDED, "yes")
    assert desk.models.asked == ["a"]


@pytest.mark.parametrize(
    ("failure", "asked"),
    [
        # What is often gone a moment later is asked for once more.
        (Answered(500), ["a", "a", "b"]),
        (Answered(502), ["a", "a", "b"]),
        (ConnectionResetError("gone"), ["a", "a", "b"]),
        (ConnectionRefusedError("nobody"), ["a", "a", "b"]),
        # Who has too much to do is left alone, unless the wait is short.
        (Answered(529), ["a", "b"]),
        (Answered(429), ["a", "b"]),
        (Answered(429, retry_after=0.5), ["a", "a", "b"]),
        (Answered(429, retry_after=20), ["a", "b"]),
        (Answered(500, retry_after=20), ["a", "b"]),
        # Another model may do what this one can't.
        (TimeoutError(), ["a", "b"]),
        (Answered(504), ["a", "b"]),
        (Answered(401), ["a", "b"]),
        (Answered(402), ["a", "b"]),
        (Answered(403), ["a", "b"]),
        (Answered(404), ["a", "b"]),
        (Answered(400), ["a", "b"]),
        (WRONG_CONTEXT, ["a", "b"]),
    ],
    ids=str,
)
def test_another_model_answers_where_the_first_one_fails(failure: Exception, asked: list[str]):
    desk = Desk({"a": [failure], "b": ["yes"]})
    task = run(desk)
    assert (task.status, output(task), task.attempt) == (TaskStatus.SUCCEEDED, "yes", 1)
    assert desk.models.asked == asked


def test_what_is_refused_for_its_content_is_not_offered_to_other_providers():
    desk = Desk({"a": [Answered(400, "the content filter says no")], "b": ["yes"]})
    task = run(desk)
    assert task.status is TaskStatus.DEAD
    assert desk.models.asked == ["a"]


def test_an_error_of_the_agents_own_code_ends_the_call():
    desk = Desk({"a": [ValueError("mine")], "b": ["yes"]})
    task = run(desk)
    assert task.status is TaskStatus.DEAD and "ValueError: mine" in (task.reason or "")
    assert desk.models.asked == ["a"]


def test_the_last_model_is_asked_three_times_with_growing_pauses():
    desk = Desk({"a": [Answered(500), Answered(500), "yes"]})
    task = run(desk)
    assert (output(task), task.attempt) == ("yes", 1)
    first, second = desk.models.pauses
    assert 0.25 <= first < 0.4 and 1.0 <= second < 1.6


def test_the_provider_is_given_the_time_that_it_asks_for():
    desk = Desk({"a": [Answered(429, retry_after=4), "yes"]})
    task = run(desk)
    assert (output(task), task.attempt) == ("yes", 1)
    assert 4 <= desk.models.pauses[0] < 7


def test_a_long_wait_is_left_to_the_tasks_next_try():
    desk = Desk({"a": [Answered(429, retry_after=9), "yes"]})
    task = run(desk)
    assert (output(task), task.attempt) == ("yes", 2)
    assert 9 <= desk.models.pauses[0] < 15


def test_all_models_are_asked_in_their_order_before_the_task_is_tried_again():
    outcomes: dict[str, list[Outcome]] = {name: [Answered(529)] for name in ("a", "b")}
    desk = Desk(outcomes | {"c": [TimeoutError(), "yes"]})
    task = run(desk)
    assert (output(task), task.attempt) == ("yes", 2)
    assert desk.models.asked == ["a", "b", "c", "a", "b", "c"]


def test_when_all_fail_the_words_name_every_model_and_why():
    desk = Desk({"a": [Answered(401)], "b": [Answered(500)], "c": [TimeoutError()]})
    task = try_once(desk)
    assert task.status is TaskStatus.QUEUED
    assert (task.reason or "").startswith(
        "no model answered: a: the provider did not accept the key; b: the provider failed (2 calls); c: the model did "
        "not finish in time; at last the call of the model 'c' failed"
    )


@pytest.mark.parametrize(
    ("outcomes", "code"),
    [
        ([Answered(401), Answered(500)], "provider_failed"),
        ([Answered(500), Answered(401)], "provider_failed"),
        ([Answered(529), TimeoutError()], "model_timed_out"),
        ([Answered(400), Answered(404)], "unknown_model"),
    ],
    ids=str,
)
def test_the_failure_that_may_pass_decides_what_becomes_of_the_task(outcomes: list[Exception], code: str):
    desk = Desk({name: [outcome] for name, outcome in zip("ab", outcomes, strict=True)})
    task = run(desk, max_retries=0)
    assert orjson.loads(task.error or b"{}")["code"] == code


@pytest.mark.parametrize("order", ["ab", "ba"])
def test_one_failure_that_may_pass_is_enough_for_another_try(order: str):
    failures: dict[str, list[Outcome]] = {"a": [Answered(529)], "b": [Answered(401)]}
    desk = Desk({name: failures[name] for name in order})
    assert try_once(desk).status is TaskStatus.QUEUED


def test_the_next_try_comes_when_the_first_of_the_models_may_be_asked_again():
    desk = Desk({"a": [Answered(429, retry_after=40), "yes"], "b": [Answered(429, retry_after=12), "yes"]})
    task = run(desk)
    assert output(task) == "yes"
    assert 12 <= desk.models.pauses[-1] < 20


class TestTimeLimits:
    LIMITS = Limits(step_seconds=30, first_token_seconds=5)

    def test_a_slow_answer_is_cut_off_and_another_model_asked(self):
        desk = Desk({"a": [Says("never", after=31)], "b": ["yes"]}, limits=self.LIMITS)
        assert output(run(desk)) == "yes"
        assert desk.models.pauses == [pytest.approx(30, abs=0.1)]

    def test_the_message_says_which_limit_it_was(self):
        desk = Desk({"a": [Says("never", after=31)]}, limits=self.LIMITS)
        assert "the model 'a' did not finish within 30 s" in (try_once(desk).reason or "")

    def test_a_plain_function_that_does_not_stream_has_its_whole_time(self):
        desk = Desk({"a": [Says("late", after=29)]}, limits=self.LIMITS)
        assert output(run(desk)) == "late"

    def test_one_slow_call_after_the_other_does_not_look_like_standing_still(self):
        names = "abcd"
        desk = Desk(
            {name: [Says("never", after=31)] for name in names} | {"e": ["yes"]},
            limits=Limits(step_seconds=30, total_seconds=170),
        )
        task = run(desk)
        assert (output(task), task.attempt) == ("yes", 1)


class TestTextThatBrokeOff:
    async def _seen(self, desk: Desk) -> tuple[Any, list[tuple[str, Any]]]:
        async with desk.working():
            task = await desk.answered()
            shown = (EventKind.TEXT, EventKind.RESTART)
            live = await desk.cluster.event_log.read(task.id, 0)
            return task, [
                (event.kind.value, event.data.get("text"))
                for record in live
                for event in record.events
                if event.kind in shown
            ]

    @pytest.mark.parametrize("other", ["a", "b"])
    def test_readers_are_told_to_begin_again_and_get_all_of_the_new_text(self, other: str):
        broken = Says("The answer is", after=0.1, then=ConnectionResetError("gone"))
        outcomes: dict[str, list[Outcome]] = {"a": [broken, broken], "b": ["It is 42."]}
        if other == "a":
            outcomes = {"a": [broken, "It is 42."]}
        task, seen = in_virtual_time(lambda: self._seen(Desk(outcomes)))
        assert output(task) == "It is 42."
        assert seen[0] == ("text", "The answer is")
        assert seen[-2:] == [("restart", None), ("text", "It is 42.")]

    def test_the_text_of_the_journal_is_that_of_the_answer(self):
        desk = Desk({"a": [Says("The", then=Answered(529))], "b": ["yes"]})

        async def main() -> dict[str, Any]:
            async with desk.working():
                return await desk.entry(await desk.answered())

        detail = in_virtual_time(main)
        assert detail["pieces"] == [["text", "yes"]]
        assert detail["text_at"][2] == 2, "the second try of the text"

    def test_the_best_text_so_far_is_kept_when_nobody_comes_to_an_end(self):
        desk = Desk({"a": [Says("The answer", then=Answered(529))], "b": [Says("The answer is", then=Answered(529))]})
        task = run(desk, max_retries=0)
        assert output(task) == "The answer is"


class TestSimplifiedPrompt:
    def test_it_is_the_last_resort_of_a_task_that_is_not_tried_again(self):
        desk = Desk({"a": [Answered(529)], "b": [Answered(529), Answered(529), Answered(529), "short"]})
        task = run(desk, max_retries=0)
        assert (task.status, output(task)) == (TaskStatus.SUCCEEDED, "short")
        assert [(call.model, call.simplified) for call in desk.models.calls[-3:]] == [
            ("b", False),
            ("a", True),
            ("b", True),
        ]

    def test_it_does_not_come_before_the_task_was_tried_as_often_as_it_may_be(self):
        desk = Desk({"a": [Answered(529)]})
        run(desk, max_retries=2)
        # The third attempt finds its breaker open, and does not insist.
        assert [call.simplified for call in desk.models.calls] == [False] * (3 + 3 + 1) + [True]

    def test_for_a_conversation_that_is_too_long_it_comes_at_once(self):
        desk = Desk({"a": [WRONG_CONTEXT, "short"], "b": [WRONG_CONTEXT]})
        task = run(desk)
        assert (output(task), task.attempt) == ("short", 1)
        assert [(call.model, call.simplified) for call in desk.models.calls] == [
            ("a", False),
            ("b", False),
            ("a", True),
        ]

    @pytest.mark.parametrize("failure", [Answered(401), Answered(402), Answered(404), Answered(400)], ids=str)
    def test_it_is_not_tried_where_it_can_not_help(self, failure: Exception):
        desk = Desk({"a": [failure]})
        task = run(desk, max_retries=0)
        assert task.status is TaskStatus.DEAD
        assert len(desk.models.calls) == 1


class TestBreakers:
    def test_a_model_that_fails_again_and_again_comes_last_for_everybody(self):
        desk = Desk({"a": [Answered(529)], "b": ["yes"]})

        async def main() -> None:
            async with desk.working():
                for _ in range(8):
                    await desk.answered()

        in_virtual_time(main)
        assert desk.models.asked == ["a", "b"] * 5 + ["b"] * 3
        assert desk.gateway is not None and desk.gateway.breakers.open == {"a": True}

    def test_after_a_while_one_call_looks_whether_it_is_well_again(self):
        desk = Desk({"a": [*[Answered(529)] * 5, Says("well again", after=1)], "b": ["yes"]})

        async def main() -> list[Any]:
            async with desk.working():
                for _ in range(5):
                    await desk.answered()
                await asyncio.sleep(60)
                tasks = [await desk.cluster.submit(desk.service) for _ in range(4)]
                answers = [output(await desk.ended(task)) for task in tasks]
                return [*answers, output(await desk.answered())]

        answers = in_virtual_time(main)
        assert sorted(answers[:4]) == ["well again", "yes", "yes", "yes"]
        assert answers[4] == "well again"

    def test_a_task_without_money_leaves_the_probe_to_the_next_one(self):
        desk = Desk(
            {"a": ["well again"], "b": ["yes"]},
            prices={"a": Price(input="0", output="10"), "b": Price.free()},
            limits=Limits(cost_usd="1"),
            breakers=ModelBreakers(threshold=1, open_seconds=60),
        )

        async def main() -> Any:
            async with desk.working():
                desk.breakers.failed("a")  # type: ignore[union-attr]
                await asyncio.sleep(61)
                poor = await desk.answered(limits=Limits(cost_usd="0.0001"))
                return poor.status, output(await desk.answered())

        assert in_virtual_time(main) == (TaskStatus.PARTIAL, "well again")

    def test_where_all_are_open_the_one_that_is_due_first_is_asked_all_the_same(self):
        desk = Desk({"a": [*[Answered(529)] * 5, "yes"], "b": [*[Answered(529)] * 5, "too late"]})
        desk.breakers = ModelBreakers(threshold=5, open_seconds=600)

        async def main() -> Any:
            async with desk.working():
                for _ in range(5):
                    desk.breakers.failed("a")  # type: ignore[union-attr]
                await asyncio.sleep(1)
                for _ in range(5):
                    desk.breakers.failed("b")  # type: ignore[union-attr]
                desk.models.outcomes = {"a": ["yes"], "b": ["too late"]}
                return await desk.answered()

        task = in_virtual_time(main)
        assert (output(task), task.attempt) == ("yes", 1)
        assert desk.models.asked == ["a"]

    def test_an_open_one_is_asked_once_no_other_one_answered(self):
        desk = Desk({"a": ["yes"], "b": [Answered(401)]})
        desk.breakers = ModelBreakers(threshold=1, open_seconds=600)

        async def main() -> Any:
            async with desk.working():
                desk.breakers.failed("a")  # type: ignore[union-attr]
                return await desk.answered()

        assert output(in_virtual_time(main)) == "yes"
        assert desk.models.asked == ["b", "a"]

    @pytest.mark.parametrize("failure", [Answered(400), WRONG_CONTEXT], ids=str)
    def test_what_is_wrong_with_the_request_is_not_blamed_on_the_model(self, failure: Exception):
        desk = Desk({"a": [failure], "b": ["yes"]})

        async def main() -> None:
            async with desk.working():
                for _ in range(7):
                    await desk.answered()

        in_virtual_time(main)
        assert desk.models.asked == ["a", "b"] * 7

    @pytest.mark.parametrize(
        "says", [Says("late", after=2), Says("never whole", stays=True)], ids=["late", "never whole"]
    )
    def test_who_gives_a_task_less_time_than_the_service_opens_none(self, says: Says):
        def opened(service: Limits, task: Limits) -> bool:
            desk = Desk({"a": [says], "b": ["yes"]}, limits=service)

            async def main() -> None:
                async with desk.working():
                    for _ in range(6):
                        await desk.answered(limits=task)

            in_virtual_time(main)
            assert desk.gateway is not None
            return desk.gateway.breakers.open.get("a", False)

        usual = Limits(step_seconds=30, first_token_seconds=20)
        assert not opened(usual, replace(usual, step_seconds=1))
        assert opened(replace(usual, step_seconds=1), replace(usual, step_seconds=1)), "the service's own are no excuse"

    @pytest.mark.parametrize(
        ("status", "both"), [(401, False), (402, False), (403, False), (404, False), (500, True), (529, True)]
    )
    def test_a_key_that_is_refused_says_nothing_of_the_model_with_another_one(self, status: int, both: bool):
        breakers = ModelBreakers()
        refused = Desk({"a": [Answered(status)], "b": ["yes"]}, breakers=breakers, name="refused")
        well = Desk({"a": ["well"], "b": ["yes"]}, breakers=breakers, name="well")

        async def main() -> Any:
            async with refused.working():
                for _ in range(6):
                    await refused.answered()
            async with well.working():
                return output(await well.answered())

        assert in_virtual_time(main) == ("yes" if both else "well")
        assert breakers.open == {"a" if both else "a (refused@1)": True}
        assert refused.models.asked.count("a") < 6 + 5 * both, "for itself it is passed over"

    def test_once_its_key_is_accepted_again_a_service_uses_the_model_at_once(self):
        breakers = ModelBreakers(threshold=1, open_seconds=60)
        desk = Desk({"a": [Answered(401), "yes"], "b": ["no"]}, breakers=breakers)

        async def main() -> list[Any]:
            async with desk.working():
                answers = [output(await desk.answered()) for _ in range(2)]
                await asyncio.sleep(60)
                return [*answers, output(await desk.answered())]

        assert in_virtual_time(main) == ["no", "no", "yes"]
        assert breakers.open == {}


class TestWhatIsKept:
    def test_a_call_that_went_well_is_kept_without_its_tries(self):
        desk = Desk({"a": ["yes"]})

        async def main() -> dict[str, Any]:
            async with desk.working():
                return await desk.entry(await desk.answered())

        detail = in_virtual_time(main)
        assert "tries" not in detail
        assert detail["tier"] == "moderate"

    def test_the_tries_say_who_was_asked_and_what_came_of_it(self):
        desk = Desk({"a": [ConnectionResetError("gone")], "b": [Answered(401)], "c": [Says("yes", after=2)]})

        async def main() -> dict[str, Any]:
            async with desk.working():
                return await desk.entry(await desk.answered())

        assert in_virtual_time(main)["tries"] == [
            {"model": "a", "failure": "connection_broken", "seconds": 0, "cost": 0, "uncertain": True},
            {"model": "a", "failure": "connection_broken", "seconds": 0, "cost": 0, "uncertain": True},
            {"model": "b", "failure": "authentication_failed", "seconds": 0, "cost": 0},
            {"model": "c", "failure": None, "seconds": pytest.approx(2, abs=0.01), "cost": 0},
        ]

    def test_calls_of_providers_are_counted_by_what_came_of_them(self):
        desk = Desk({"a": [Answered(529)], "b": ["yes"]})
        run(desk)
        assert desk.gateway is not None
        assert desk.gateway.counters.model_requests == {("a", "provider_overloaded"): 1, ("b", "answered"): 1}


class TestPlainFunctions:
    def test_a_call_that_does_not_take_the_model_has_no_other_one(self):
        async def agent(ctx: Any, message: str) -> str:
            async def ask(show: Any) -> str:
                raise Answered(401)

            return await ctx.model("a", ask)

        desk = Desk({"a": ["no"], "b": ["yes"]}, agent=agent)
        task = run(desk)
        assert task.status is TaskStatus.DEAD and "'a'" in (task.reason or "")

    def test_without_tiers_the_model_that_it_names_is_asked(self):
        desk = Desk({"own": [Answered(500), "yes"]}, models=None)
        assert output(run(desk)) == "yes"
        assert desk.models.asked == ["own", "own"]

    def test_arguments_with_defaults_are_its_own_affair(self):
        async def agent(ctx: Any, message: str) -> str:
            async def ask(show: Any, words: str = message) -> str:
                return words

            return await ctx.model("a", ask)

        assert output(run(Desk({"a": []}, agent=agent))) == "hello"

    def test_an_empty_tier_uses_the_next_one(self):
        tiers = ModelTiers(complex=["b"], simple=["a"])
        assert tiers.chain("simple") == ("a",)
        assert tiers.chain("moderate") == ("b",)
        assert tiers.chain(None) == ("b",)
        assert ModelTiers(simple=["a"]).chain("complex") == ("a",)


def test_every_class_of_failure_of_a_model_has_a_remedy_or_none():
    of_models = {failure for failure in FailureClass if failure.treatment.remedy is not Remedy.NOTHING}
    assert of_models == {failure for failure in FailureClass if failure.treatment.blames_model} | {
        FailureClass.INVALID_MODEL_REQUEST,
        FailureClass.CONTEXT_TOO_LONG,
        FailureClass.MODEL_CALL_FAILED,
    }
