from roadworthy.testing.conformance.task_upkeep import TaskUpkeepContract


class TestTaskUpkeep(TaskUpkeepContract):
    pass
