from roadworthy.testing.conformance.task_store import TaskStoreContract


class TestTaskStore(TaskStoreContract):
    pass
