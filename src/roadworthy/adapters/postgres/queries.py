"""The SQL of one port, from the files beside this one."""

from collections.abc import Mapping
from importlib.resources import files

_TASK = """t.id, t.tenant, t.owner, t.session_id, t.agent, t.version, t.input, t.limits, t.metadata, t.priority,
    t.status, t.reason, t.output, t.error, t.usage, t.attempt, t.failures, t.journal_length, t.changes,
    t.running_seconds, t.cancel_requested_at is not null as cancel_requested, t.created_at, t.started_at, t.ended_at,
    t.generation, t.tier"""
"""What `{task}` in a file stands for, in the order in which `rows.task` reads it."""

_CHARGE = """c.id, c.task_id, c.key, c.tenant, c.owner, c.agent, c.version, c.model, c.state, c.estimate, c.cost,
    c.attempt, c.at"""
"""What `{charge}` stands for, in the order in which `rows.charge` reads it."""


def load_queries(folder: str) -> Mapping[str, str]:
    """The files of `sql/<folder>/`, by name without `.sql`."""
    found = (files("roadworthy.adapters.postgres") / "sql" / folder).iterdir()
    return {
        file.name.removesuffix(".sql"): file.read_text(encoding="utf-8")
        .replace("{task}", _TASK)
        .replace("{charge}", _CHARGE)
        for file in found
        if file.name.endswith(".sql")
    }
