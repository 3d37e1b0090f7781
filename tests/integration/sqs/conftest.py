import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

import pytest

from roadworthy.adapters.sqs import SqsWorkQueue, open_work_queue

from .recorder import Recorder
from .sqs_server import REGION, SqsServer, aws_environment

URL = f"sqs://{REGION}/test"
Open = Callable[[], Awaitable[SqsWorkQueue]]


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


@pytest.fixture(scope="session")
def guarded_server() -> Iterator[SqsServer]:
    """One that checks who asks and what they may."""
    server = SqsServer(checks_access=True)
    server.start()
    yield server
    server.remove()


@pytest.fixture
async def recorder(sqs_server: SqsServer) -> AsyncIterator[Recorder]:
    recorder = Recorder(sqs_server.url)
    await recorder.start()
    yield recorder
    await recorder.stop()


@pytest.fixture
async def no_tasks_left() -> AsyncIterator[None]:
    before = asyncio.all_tasks()
    yield
    assert asyncio.all_tasks() - before == {asyncio.current_task()}


@pytest.fixture
async def open_queue(recorder: Recorder, no_tasks_left: None, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Open]:
    """Opens work queues behind the recorder, and closes them."""
    for name, value in aws_environment(recorder.url).items():
        monkeypatch.setenv(name, value)
    queues: list[SqsWorkQueue] = []

    async def open_queue() -> SqsWorkQueue:
        queues.append(await open_work_queue(URL))
        return queues[-1]

    yield open_queue
    for queue in queues:
        await queue.close()


@pytest.fixture
async def queue(open_queue: Open) -> SqsWorkQueue:
    return await open_queue()
