from roadworthy.testing.conformance.task_kept import KeptContract


class TestWhatIsKept(KeptContract):
    pass
