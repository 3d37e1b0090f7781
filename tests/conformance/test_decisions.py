from roadworthy.testing.conformance.decisions import DecideContract


class TestDecide(DecideContract):
    pass
