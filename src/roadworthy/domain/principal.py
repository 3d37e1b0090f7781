"""On whose behalf something is read or written."""

from __future__ import annotations

from dataclasses import dataclass

from roadworthy.domain.errors import NotAllowed


@dataclass(frozen=True, slots=True)
class Principal:
    """A user of a tenant. Every read and write of the store takes one and sees only what is theirs."""

    tenant: str
    user: str
    scopes: frozenset[str] = frozenset({"tasks"})

    def is_same_user(self, other: Principal) -> bool:
        """Whatever each of them may do."""
        return (self.tenant, self.user) == (other.tenant, other.user)


DEVELOPER = Principal(tenant="dev", user="dev", scopes=frozenset({"tasks", "operator"}))
"""Who everybody is under AUTH=dev, on a loopback address."""


def is_operator(principal: Principal) -> bool:
    """Whether it may act on everybody's tasks."""
    return "operator" in principal.scopes


def check_operator(principal: Principal) -> None:
    """NotAllowed for whoever may not act on everybody's tasks."""
    if not is_operator(principal):
        raise NotAllowed("this needs the scope `operator`; ask for a token that has it")
