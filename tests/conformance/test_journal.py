from roadworthy.testing.conformance.journal import JournalContract, JournalFenceContract


class TestJournal(JournalContract):
    pass


class TestJournalFence(JournalFenceContract):
    pass
