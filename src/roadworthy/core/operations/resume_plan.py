"""What resuming a dead task would mean. No I/O: the same task and journal always give the same plan."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from roadworthy.core.insight.effects import DoneEffect
from roadworthy.core.insight.failed_step import FailedStep
from roadworthy.core.operations.resume_order import ResumeOrder, changed_limits
from roadworthy.domain.errors import Conflict, EffectsWouldRepeat, InvalidRequest, NotDead
from roadworthy.domain.event import MAX_ATTEMPTS, MAX_ENTRIES
from roadworthy.domain.limits import Limits
from roadworthy.domain.money import dollars
from roadworthy.domain.principal import Principal
from roadworthy.domain.task import Task, TaskStatus, Usage
from roadworthy.ports.dead_letters import Resume

_MOST_NAMED = 5


@dataclass(frozen=True, slots=True)
class DeadTask:
    """A dead task and what its journal tells."""

    task: Task
    failed: FailedStep
    effects: Sequence[DoneEffect]
    usage: Usage
    """Of its present generation."""


def check_dead(task: Task) -> None:
    """NotDead, saying what it is instead."""
    if task.status is TaskStatus.DEAD:
        return
    change = task.changes[-1]
    because = f" ({change.reason})" if change.reason else ""
    raise NotDead(f"the task is {task.status}{because}, so there is nothing to resume or discard")


def plan_resume(dead: DeadTask, order: ResumeOrder, operator: Principal) -> Resume:
    """The order, applied to this task.

    Raises NotDead, InvalidRequest for limits that make no sense for it, EffectsWouldRepeat, and Conflict for a task
    that has no room for another attempt.
    """
    task = dead.task
    check_dead(task)
    if task.attempt >= MAX_ATTEMPTS or task.journal_length >= MAX_ENTRIES:
        raise Conflict(
            f"the task has had {task.attempt:,} attempts and {task.journal_length:,} journal entries, and more than "
            f"{MAX_ATTEMPTS:,} or {MAX_ENTRIES:,} are not possible; submit it as a new task"
        )
    limits = _limits(dead, order)
    if order.from_start and dead.effects and not order.repeat_effects:
        raise EffectsWouldRepeat(
            f"from the start its tools may do again what they have done: {_named(dead.effects)}; look whether that may "
            "be, then confirm it with repeat_effects (--repeat-effects), or go on from the failed step",
            dead.effects,
        )
    edited = order.input is not None and order.input != task.input
    return Resume(
        task=task,
        input=order.input if order.input is not None else task.input,
        limits=limits,
        version=order.version or task.version,
        from_start=order.from_start,
        reason=_reason(dead, order, limits, edited, operator),
        detail=_detail(dead, order, limits, edited),
        note=order.note,
    )


def notices(dead: DeadTask, plan: Resume, served: bool) -> list[str]:
    """What the operator should know although nothing is wrong with the order."""
    lane = f"{plan.task.agent}@{plan.version}"
    told: list[str] = []
    if not served:
        told.append(
            f"no worker serves {lane} now; the task waits until one is started, and is dead again after "
            f"{plan.limits.queue_seconds:g} s"
        )
    if plan.from_start:
        return told
    unknown = [effect for effect in dead.effects if effect.effect == "once" and effect.outcome == "unknown"]
    if any(effect.generation == plan.task.generation for effect in unknown):
        told.append(f"{_named(unknown)} may have happened or not: the task will wait for a person when it comes there")
    if plan.limits.cost and dead.usage.cost >= plan.limits.cost:
        told.append(f"it has used up its ${plan.limits.cost_usd}: raise limits.cost_usd for another model call")
    if dead.usage.steps >= plan.limits.steps:
        told.append(f"it has used up its {plan.limits.steps} steps: raise limits.steps for another model call")
    return told


def _limits(dead: DeadTask, order: ResumeOrder) -> Limits:
    task, wanted = dead.task, order.limits
    limits = changed_limits(task.limits, wanted)
    if order.from_start:
        return limits
    used = dead.usage
    if limits.total_seconds <= task.running_seconds:
        raise InvalidRequest(
            f"it has run for {task.running_seconds:.1f} s of {limits.total_seconds:g} s: raise limits.total_seconds, "
            "or resume it from the start"
        )
    if "cost_usd" in wanted and limits.cost and limits.cost <= used.cost:
        raise InvalidRequest(f"limits.cost_usd must be above the ${dollars(used.cost)} that it has used")
    if "steps" in wanted and limits.steps < used.steps:
        raise InvalidRequest(f"limits.steps must not be below the {used.steps} steps that it has used")
    return limits


def _changed_limits(before: Limits, after: Limits, wanted: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Name → before and after."""
    pairs = {name: (getattr(before, name), getattr(after, name)) for name in wanted}
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


def _reason(dead: DeadTask, order: ResumeOrder, limits: Limits, edited: bool, operator: Principal) -> str:
    where = "the start" if order.from_start else f"step {dead.failed.step}"
    on = f" on version {order.version}" if order.version not in (None, dead.task.version) else ""
    changed = [f"{name} {after} (was {before})" for name, (before, after) in _changed(dead, order, limits).items()]
    changes = (["an edited input"] if edited else []) + changed
    listed = f" with {' and '.join(changes)}" if changes else ""
    return f"resumed by {operator.user} from {where}{on}{listed}"


def _changed(dead: DeadTask, order: ResumeOrder, limits: Limits) -> dict[str, tuple[Any, Any]]:
    return _changed_limits(dead.task.limits, limits, order.limits)


def _detail(dead: DeadTask, order: ResumeOrder, limits: Limits, edited: bool) -> dict[str, Any]:
    task, failed = dead.task, dead.failed
    detail: dict[str, Any] = {
        "from_start": order.from_start,
        "failed_step": {"generation": failed.generation, "step": failed.step, "tool": failed.tool},
        "error": orjson.loads(task.error) if task.error else None,
    }
    if edited:
        detail["input_before"] = task.input
    if limits_changed := _changed(dead, order, limits):
        detail["limits"] = {
            name: {"before": before, "after": after} for name, (before, after) in limits_changed.items()
        }
    if order.version not in (None, task.version):
        detail["version"] = {"before": task.version, "after": order.version}
    if order.from_start:
        detail["running_seconds_before"] = round(task.running_seconds, 3)
        detail["may_repeat"] = [f"{effect.tool} in step {effect.step}" for effect in dead.effects]
    return detail


def _named(effects: Sequence[DoneEffect]) -> str:
    named = [f"{effect.tool} in step {effect.step} ({effect.outcome})" for effect in effects[:_MOST_NAMED]]
    more = len(effects) - len(named)
    return ", ".join(named) + (f" and {more} more" if more else "")
