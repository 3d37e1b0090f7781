from roadworthy.testing.conformance.event_log import CancelSignalsContract, EventLogContract, SubscriptionContract


class TestEventLog(EventLogContract):
    pass


class TestSubscription(SubscriptionContract):
    pass


class TestCancelSignals(CancelSignalsContract):
    pass
