"""What every record of operators' actions must do by itself; what others record in it, their own contracts say."""

from __future__ import annotations

import pytest

from roadworthy.domain.errors import NotAllowed
from roadworthy.domain.operator_action import ActionKind, ActionTarget
from roadworthy.domain.principal import Principal
from roadworthy.testing.conformance.scenario import ALICE
from roadworthy.testing.conformance.stores import Stores

OPERATOR = Principal("ops", "olga", frozenset({"operator"}))
TARGET = ActionTarget({"agent": "support", "tenant": "acme"}, lane="support@1")


class OperatorActionsContract:
    async def test_what_is_recorded_can_be_read(self, stores: Stores):
        await stores.actions.record(OPERATOR, ActionKind.CLEAR_CACHE, TARGET, "new prices")
        (action,) = await stores.actions.list(OPERATOR)
        assert (action.operator.tenant, action.operator.user) == ("ops", "olga")
        assert (action.kind, action.target, action.note) == (ActionKind.CLEAR_CACHE, TARGET, "new prices")

    async def test_the_newest_comes_first(self, stores: Stores):
        for note in ("first", "second", None):
            await stores.actions.record(OPERATOR, ActionKind.CLEAR_CACHE, TARGET, note)
        assert [action.note for action in await stores.actions.list(OPERATOR)] == [None, "second", "first"]

    async def test_who_is_no_operator_records_nothing(self, stores: Stores):
        with pytest.raises(NotAllowed):
            await stores.actions.record(ALICE, ActionKind.CLEAR_CACHE, TARGET)
        assert await stores.actions.list(OPERATOR) == []
