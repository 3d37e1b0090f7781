import pytest

from roadworthy.testing.conformance.budget_accounts import (
    AlertContract,
    ChargesContract,
    CorrectContract,
    LostContract,
    OverdueContract,
    StandingContract,
    SumsContract,
)
from roadworthy.testing.conformance.stores import Stores

from .implementations import memory_stores


class TestStanding(StandingContract):
    pass


class TestAlert(AlertContract):
    pass


class TestLost(LostContract):
    pass


class TestCorrect(CorrectContract):
    pass


class TestCharges(ChargesContract):
    pass


class TestSums(SumsContract):
    pass


class TestOverdueInMemory(OverdueContract):
    """PostgreSQL's clock is nobody's to turn: there the rows are (tests/integration/postgres/test_money_windows.py)."""

    @pytest.fixture
    def stores(self) -> Stores:
        return memory_stores()
