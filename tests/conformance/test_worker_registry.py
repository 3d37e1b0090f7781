from roadworthy.testing.conformance.worker_registry import WorkerRegistryContract


class TestWorkerRegistry(WorkerRegistryContract):
    pass
