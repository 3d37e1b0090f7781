"""What resuming would mean, case by case."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import orjson
import pytest

from roadworthy.core.insight.effects import DoneEffect
from roadworthy.core.insight.failed_step import FailedStep
from roadworthy.core.operations.resume_order import ResumeOrder, read_resume
from roadworthy.core.operations.resume_plan import DeadTask, notices, plan_resume
from roadworthy.domain.errors import (
    Conflict,
    EffectsWouldRepeat,
    InputTooLarge,
    InvalidRequest,
    NotDead,
    RoadworthyError,
)
from roadworthy.domain.event import MAX_ATTEMPTS, MAX_ENTRIES
from roadworthy.domain.ids import new_id
from roadworthy.domain.limits import Limits
from roadworthy.domain.principal import DEVELOPER, Principal
from roadworthy.domain.task import StatusChange, Task, TaskStatus, Usage

PAID = DoneEffect(0, 1, "pay", "c1", {"item": "lamp"}, "once", "done", "paid")
NOTHING = Usage()
UNKNOWN = replace(PAID, outcome="unknown", step=2, result=None)


def dead(effects: tuple[DoneEffect, ...] = (), usage: Usage = NOTHING, **changed: Any) -> DeadTask:
    task = Task(
        id=new_id(),
        principal=Principal("acme", "alice"),
        session_id=new_id(),
        agent="support",
        version="1",
        input="hello",
        limits=Limits(),
        metadata=b"{}",
        priority=0,
        status=TaskStatus.DEAD,
        reason="why",
        output=None,
        error=b'{"code": "agent_failed", "message": "why"}',
        usage=usage,
        attempt=1,
        failures=1,
        journal_length=4,
        changes=(StatusChange(1, TaskStatus.DEAD, "why", 1.0),),
        running_seconds=10,
        cancel_requested=False,
        created_at=0,
        started_at=0,
        ended_at=1,
    )
    return DeadTask(replace(task, **changed), FailedStep(0, 3), effects, usage)


def test_as_it_is():
    plan = plan_resume(dead(), ResumeOrder(note="why not"), DEVELOPER)
    assert (plan.input, plan.limits, plan.version, plan.from_start) == ("hello", Limits(), "1", False)
    assert (plan.reason, plan.note) == ("resumed by dev from step 3", "why not")
    assert plan.detail == {
        "from_start": False,
        "failed_step": {"generation": 0, "step": 3, "tool": None},
        "error": {"code": "agent_failed", "message": "why"},
    }


def test_everything_changed():
    order = ResumeOrder("bye", {"cost_usd": "1", "steps": 15}, "2", True, True)
    plan = plan_resume(dead((PAID,)), order, DEVELOPER)
    assert (plan.input, plan.limits, plan.version) == ("bye", Limits(cost_usd="1"), "2")
    assert plan.reason == "resumed by dev from the start on version 2 with an edited input and cost_usd 1 (was 0.25)"
    assert plan.detail["input_before"] == "hello"
    assert plan.detail["limits"] == {"cost_usd": {"before": "0.25", "after": "1"}}
    assert plan.detail["version"] == {"before": "1", "after": "2"}
    assert plan.detail["may_repeat"] == ["pay in step 1"]
    assert orjson.dumps(plan.detail)


def test_what_stays_the_same_counts_as_no_change():
    plan = plan_resume(dead(), ResumeOrder("hello", {"steps": 15}, "1"), DEVELOPER)
    assert plan.reason == "resumed by dev from step 3"
    assert not plan.detail.keys() & {"input_before", "limits", "version"}


@pytest.mark.parametrize("effect", [PAID, UNKNOWN])
def test_from_the_start_only_with_leave_to_repeat_what_was_done(effect: DoneEffect):
    with pytest.raises(EffectsWouldRepeat, match=r"pay in step \d \((done|unknown)\)") as refused:
        plan_resume(dead((effect,)), ResumeOrder(from_start=True), DEVELOPER)
    assert refused.value.effects == (effect,)
    assert plan_resume(dead((effect,)), ResumeOrder(from_start=True, repeat_effects=True), DEVELOPER).from_start
    assert plan_resume(dead(()), ResumeOrder(from_start=True), DEVELOPER).from_start
    assert not plan_resume(dead((effect,)), ResumeOrder(), DEVELOPER).from_start


@pytest.mark.parametrize(
    ("limits", "says"),
    [
        ({"stepz": 1}, "limits.stepz is not known"),
        ({"steps": 0}, "above zero"),
        ({"steps": 2.5}, "whole number"),
        ({"steps": 2}, "must not be below the 3 steps"),
        ({"cost_usd": "0.1"}, r"must be above the \$0.1 that"),
        ({"cost_usd": "much"}, "not an amount"),
        ({"cost_usd": "9" * 30}, "amount in dollars"),
        ({"total_seconds": 10}, "raise limits.total_seconds"),
        ({"queue_seconds": True}, "must be a number"),
        ({"waiting_seconds": 1e12}, "below a billion"),
    ],
)
def test_limits_that_make_no_sense(limits: dict[str, Any], says: str):
    used = Usage(cost=100_000, steps=3)
    with pytest.raises(InvalidRequest, match=says):
        plan_resume(dead(usage=used), ResumeOrder(limits=limits), DEVELOPER)


def test_limits_that_are_used_up_matter_only_where_the_task_goes_on():
    letter = dead(usage=Usage(cost=300_000, steps=15), running_seconds=180)
    with pytest.raises(InvalidRequest, match=r"has run for 180.0 s of 180 s"):
        plan_resume(letter, ResumeOrder(), DEVELOPER)
    assert plan_resume(letter, ResumeOrder(from_start=True, limits={"steps": 2}), DEVELOPER).limits.steps == 2
    plan = plan_resume(letter, ResumeOrder(limits={"total_seconds": 200}), DEVELOPER)
    told = notices(letter, plan, served=True)
    assert [each.partition(":")[0] for each in told] == ["it has used up its $0.25", "it has used up its 15 steps"]
    plan = plan_resume(letter, ResumeOrder(limits={"total_seconds": 200, "steps": 16, "cost_usd": "9"}), DEVELOPER)
    assert notices(letter, plan, served=True) == []


def test_an_operator_is_told_what_will_hold_the_task_up():
    letter = dead((UNKNOWN,))
    told = notices(letter, plan_resume(letter, ResumeOrder(version="7"), DEVELOPER), served=False)
    assert told[0].startswith("no worker serves support@7 now")
    assert "pay in step 2 (unknown) may have happened or not" in told[1]


@pytest.mark.parametrize(
    ("changed", "error", "says"),
    [
        ({"status": TaskStatus.QUEUED}, NotDead, "the task is queued"),
        ({"status": TaskStatus.SUCCEEDED}, NotDead, "nothing to resume"),
        ({"attempt": MAX_ATTEMPTS}, Conflict, "submit it as a new task"),
        ({"journal_length": MAX_ENTRIES}, Conflict, "submit it as a new task"),
    ],
)
def test_tasks_that_can_not_be_resumed(changed: dict[str, Any], error: type[RoadworthyError], says: str):
    for order in (ResumeOrder(), ResumeOrder(from_start=True)):
        with pytest.raises(error, match=says):
            plan_resume(dead(**changed), order, DEVELOPER)


def test_an_order_is_read():
    body = {
        "input": "a",
        "limits": {"steps": 3},
        "version": "2",
        "from_start": True,
        "repeat_effects": True,
        "note": "",
    }
    assert read_resume(body) == ResumeOrder("a", {"steps": 3}, "2", True, True, None)
    assert read_resume({}) == ResumeOrder()


@pytest.mark.parametrize(
    ("body", "error", "says"),
    [
        ({"inputs": "a"}, InvalidRequest, "unknown field 'inputs'"),
        ({"input": 7}, InvalidRequest, "input must be a string"),
        ({"input": " "}, InvalidRequest, "must not be empty"),
        ({"input": "a\0b"}, InvalidRequest, "NUL"),
        ({"input": "a" * 300_000}, InputTooLarge, "256 KiB"),
        ({"limits": [1]}, InvalidRequest, "limits must be an object"),
        ({"version": "a b"}, InvalidRequest, "version"),
        ({"version": 2}, InvalidRequest, "version"),
        ({"from_start": "yes"}, InvalidRequest, "from_start must be true or false"),
        ({"repeat_effects": True}, InvalidRequest, "goes with from_start"),
        ({"note": "x" * 1001}, InvalidRequest, "note"),
        ({"note": "\0"}, InvalidRequest, "note"),
    ],
)
def test_orders_that_can_not_be_used(body: dict[str, Any], error: type[RoadworthyError], says: str):
    with pytest.raises(error, match=says):
        read_resume(body)


def test_many_tasks_have_no_input_in_common():
    with pytest.raises(InvalidRequest, match="unknown field 'input'"):
        read_resume({"input": "a"}, many=True)
