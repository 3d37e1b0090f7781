"""Marks: the names under which kept replies can be dropped, all of one agent, version or tenant at once."""

from __future__ import annotations

from roadworthy.domain.task import lane_of

EVERYTHING = "all"


def mark_of(agent: str | None = None, version: str | None = None, tenant: str | None = None) -> str:
    """Of the replies of an agent (or one version of it), of a tenant, of both, or all of them.

    A version needs its agent. Names of agents and versions hold no spaces, so no two marks are the same by accident.
    """
    if version is not None and agent is None:
        raise ValueError("a version is one of an agent: name the agent, too")
    parts: list[str] = []
    if agent is not None:
        parts.append(f"agent:{agent}" if version is None else f"version:{lane_of(agent, version)}")
    if tenant is not None:
        parts.append(f"tenant:{tenant}")
    return " ".join(parts) or EVERYTHING


def marks_of(agent: str, version: str, tenant: str) -> tuple[str, ...]:
    """All marks of one reply."""
    return (
        mark_of(),
        mark_of(agent),
        mark_of(agent, version),
        mark_of(tenant=tenant),
        mark_of(agent, tenant=tenant),
        mark_of(agent, version, tenant),
    )
