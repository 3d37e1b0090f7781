from roadworthy.testing.conformance.decisions import (
    DecideContract,
    DecideWhileItRunsContract,
    NothingToDecideContract,
    WhoDecidesContract,
)


class TestDecide(DecideContract):
    pass


class TestDecideWhileItRuns(DecideWhileItRunsContract):
    pass


class TestWhoDecides(WhoDecidesContract):
    pass


class TestNothingToDecide(NothingToDecideContract):
    pass
