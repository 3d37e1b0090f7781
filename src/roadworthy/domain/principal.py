"""On whose behalf something is read or written."""

from dataclasses import dataclass

from roadworthy.domain.errors import NotAllowed


@dataclass(frozen=True, slots=True)
class Principal:
    """A user of a tenant. Every read and write of the store takes one and sees only what is theirs."""

    tenant: str
    user: str
    scopes: frozenset[str] = frozenset({"tasks"})


DEVELOPER = Principal(tenant="dev", user="dev", scopes=frozenset({"tasks", "operator"}))
"""Who everybody is under AUTH=dev, on a loopback address."""


def check_operator(principal: Principal) -> None:
    """NotAllowed for whoever may not act on everybody's tasks."""
    if "operator" not in principal.scopes:
        raise NotAllowed("this needs the scope `operator`; ask for a token that has it")
