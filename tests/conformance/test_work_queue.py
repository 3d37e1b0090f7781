from roadworthy.testing.conformance.work_queue import WorkQueueContract


class TestWorkQueue(WorkQueueContract):
    pass
