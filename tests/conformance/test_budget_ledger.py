import pytest

from roadworthy.testing.conformance.budget_ledger import (
    ChargeContract,
    DrawContract,
    JournaledChargeContract,
    MidnightContract,
    ReportContract,
    TakeOverContract,
)
from roadworthy.testing.conformance.stores import Stores

from .implementations import memory_stores


class TestDraw(DrawContract):
    pass


class TestReport(ReportContract):
    pass


class TestCharge(ChargeContract):
    pass


class TestJournaledCharge(JournaledChargeContract):
    pass


class TestTakeOver(TakeOverContract):
    pass


class TestMidnightInMemory(MidnightContract):
    """PostgreSQL's clock is nobody's to turn: there the rows are (tests/integration/postgres/test_money_windows.py)."""

    @pytest.fixture
    def stores(self) -> Stores:
        return memory_stores()
