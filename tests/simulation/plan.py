"""What one seed is about: how much there is of everything, and what goes wrong how often. Drawn once, at the start."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from roadworthy.domain.budget import BudgetLimits

DISTURBANCES = {
    "kill a worker": 4,
    "stop a worker": 4,
    "block a worker": 2,
    "drain a worker": 2,
    "kill an api": 2,
    "end an api": 1,
    "stop an api": 1,
    "kill an upkeep": 2,
    "stop an upkeep": 2,
    "cut a process off the store": 3,
    "cut a process off the broker": 2,
    "take the store away": 2,
    "take the store away for longer than a lease": 3,
    "take the broker away": 2,
    "flush the broker": 2,
}
"""What may happen, with weights."""


@dataclass(frozen=True, slots=True)
class Plan:
    workers: int
    upkeeps: int
    apis: int
    users: int
    tasks_of_a_user: int
    concurrency: int
    lease_seconds: float
    max_retries: int
    seconds: float
    """Until the faults stop."""
    disturbances: dict[str, int]
    pause_between: float
    """Seconds from one disturbance to the next, on average."""
    failing_calls: float
    """Share of calls to store and broker that fail: half of these were applied, or are later."""
    struck_writes: float
    """Share of journal entries and settlements whose writer is killed or stopped before it hears that they are
    committed."""
    lost_tickets: float
    failing_models: float
    failing_tools: float
    clock_skew: float
    pydantic_ai: bool
    deploy: bool
    operator: bool
    """Somebody resumes dead tasks, or discards them."""
    budgets: BudgetLimits


def draw_plan(chance: Random) -> Plan:
    # Each seed has some of the troubles, not all: what is always there hides what else there is.
    some = [name for name in DISTURBANCES if chance.random() < 0.5]
    return Plan(
        workers=chance.choice((1, 2, 2, 3)),
        upkeeps=chance.choice((1, 2)),
        apis=chance.choice((1, 2, 2)),
        users=chance.choice((2, 3, 4)),
        tasks_of_a_user=chance.choice((3, 5, 7)),
        concurrency=chance.choice((1, 2, 5)),
        lease_seconds=chance.choice((3.0, 6.0, 10.0)),
        max_retries=chance.choice((1, 2, 3)),
        seconds=chance.choice((30.0, 60.0)),
        disturbances={name: DISTURBANCES[name] for name in some},
        pause_between=chance.choice((2.0, 5.0, 10.0)),
        failing_calls=chance.choice((0.0, 0.01, 0.05, 0.15)),
        struck_writes=chance.choice((0.0, 0.0, 0.03, 0.1)),
        lost_tickets=chance.choice((0.0, 0.0, 0.2, 0.9)),
        failing_models=chance.choice((0.0, 0.1, 0.3, 0.6)),
        failing_tools=chance.choice((0.0, 0.05, 0.2)),
        clock_skew=chance.choice((0.0, 1.0, 300.0)),
        pydantic_ai=chance.random() < 0.25,
        deploy=chance.random() < 0.4,
        operator=chance.random() < 0.4,
        budgets=BudgetLimits(
            user_day=chance.choice((None, None, None, 500_000, 3_000_000)),
            tenant_month=chance.choice((None, None, None, 4_000_000)),
            global_month=chance.choice((None, None, None, 1_000_000, 8_000_000)),
        ),
    )
