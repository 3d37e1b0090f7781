"""On whose behalf something is read or written."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Principal:
    """A user of a tenant. Every read and write of the store takes one and sees only what is theirs."""

    tenant: str
    user: str
    scopes: frozenset[str] = frozenset({"tasks"})


DEVELOPER = Principal(tenant="dev", user="dev", scopes=frozenset({"tasks", "operator"}))
"""Who everybody is under AUTH=dev, on a loopback address."""
