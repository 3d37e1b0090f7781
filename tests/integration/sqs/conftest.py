from collections.abc import Iterator

import pytest

from .sqs_server import SqsServer


@pytest.fixture(scope="session")
def shared_server() -> Iterator[SqsServer]:
    server = SqsServer()
    server.start()
    yield server
    server.remove()


@pytest.fixture
def sqs_server(shared_server: SqsServer) -> SqsServer:
    """A running server without queues; for tests that don't harm it."""
    shared_server.delete_queues()
    return shared_server


@pytest.fixture
def mortal_server() -> Iterator[SqsServer]:
    """A running server for this test alone."""
    server = SqsServer()
    server.start()
    yield server
    server.remove()
