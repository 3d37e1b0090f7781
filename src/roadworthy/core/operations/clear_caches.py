"""Kept replies that an operator wants forgotten: of an agent, a version, a tenant, or all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from roadworthy.domain.cache_mark import mark_of
from roadworthy.domain.operator_action import ActionKind, ActionTarget
from roadworthy.domain.principal import Principal, check_operator
from roadworthy.domain.task import lane_of
from roadworthy.ports.operator_actions import OperatorActions


class KeepsReplies(Protocol):
    """A cache, whatever it finds replies by."""

    async def drop(self, mark: str) -> None: ...


class ClearCaches:
    def __init__(self, caches: Sequence[KeepsReplies], actions: OperatorActions) -> None:
        self._caches = caches
        self._actions = actions

    async def clear(
        self,
        operator: Principal,
        agent: str | None = None,
        version: str | None = None,
        tenant: str | None = None,
        note: str | None = None,
    ) -> None:
        """Forget every reply that fits all that is given; with nothing given, all of them.

        A call under way keeps nothing that it learnt before. Raises NotAllowed, StoreUnavailable and BrokerUnavailable;
        then some may be left, and the command may be repeated. A version needs its agent.
        """
        check_operator(operator)
        mark = mark_of(agent, version, tenant)
        given = {"agent": agent, "version": version, "tenant": tenant}
        lane = lane_of(agent, version) if agent is not None and version is not None else None
        target = ActionTarget({name: value for name, value in given.items() if value is not None}, lane=lane)
        # First: what was tried is known even if nobody lives to tell what came of it.
        await self._actions.record(operator, ActionKind.CLEAR_CACHE, target, note)
        for cache in self._caches:
            await cache.drop(mark)
