"""What is looked at while a soak runs: memory of the processes that are never killed, and the size of everything."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import linear_regression, mean
from typing import Any

WARM_UP = 0.3
"""Of all tasks: what a process takes while it sees everything for the first time is no leak."""


@dataclass(frozen=True, slots=True)
class Sample:
    ended: int
    """Tasks that had ended then."""
    values: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Trend:
    first: float
    """Mean of the first quarter after the warm-up."""
    last: float
    """Mean of the last quarter."""
    slope: float
    """By linear regression, for 1,000 tasks."""

    @property
    def ratio(self) -> float:
        return self.last / self.first if self.first else 1.0

    def as_json(self) -> dict[str, float]:
        return {"first": self.first, "last": self.last, "ratio": self.ratio, "slope_per_1000_tasks": self.slope}


def trend(samples: Sequence[Sample], name: str, tasks: int) -> Trend:
    """Of one value, after the warm-up. ValueError with fewer than eight samples."""
    points = [(sample.ended, sample.values[name]) for sample in samples if sample.ended >= WARM_UP * tasks]
    if len(points) < 8:
        raise ValueError(f"there are only {len(points)} samples of {name} after the warm-up; run more tasks")
    quarter = len(points) // 4
    moments, values = zip(*points, strict=True)
    rises = len(set(moments)) > 1
    return Trend(
        first=mean(values[:quarter]),
        last=mean(values[-quarter:]),
        slope=linear_regression(moments, values).slope * 1000 if rises else 0.0,
    )


SIZES = """
    select relname, pg_total_relation_size(relid), n_live_tup, n_dead_tup from pg_stat_user_tables order by 2 desc
"""
STATE = """
    select
        (select count(*) from tasks where status in ('blocked', 'queued', 'running')) as open,
        (select count(*) from tasks where status not in ('blocked', 'queued', 'running')) as ended,
        (select count(*) from pg_stat_activity where datname = current_database()) as connections
"""


async def server_values(connection: Any, valkey: Any) -> dict[str, float]:
    """Connections, keys and their memory."""
    row = await connection.fetchrow(STATE)
    memory = await valkey.info("memory")
    return {
        "open": row["open"],
        "ended": row["ended"],
        "connections": row["connections"],
        "keys": await valkey.dbsize(),
        "valkey_mb": memory["used_memory"] / 1e6,
    }
