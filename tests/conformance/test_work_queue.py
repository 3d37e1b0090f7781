import itertools
from collections.abc import AsyncIterator, Iterator

import pytest

from integration.sqs.sqs_server import REGION, SqsServer, aws_environment
from roadworthy.adapters.sqs.account import AwsAccount
from roadworthy.testing.conformance.brokers import Broker
from roadworthy.testing.conformance.work_queue import WorkQueueContract

from .implementations import sqs_brokers

_PREFIXES = (f"test-{number}" for number in itertools.count())


@pytest.fixture(scope="module", params=["ministack", "moto"])
def sqs_account(request: pytest.FixtureRequest) -> Iterator[AwsAccount]:
    server = SqsServer(request.param)
    server.start()
    with pytest.MonkeyPatch.context() as patch:
        for name, value in aws_environment(server.url).items():
            patch.setenv(name, value)
        yield AwsAccount(REGION)
    server.remove()


class TestWorkQueue(WorkQueueContract):
    pass


class TestSqsWorkQueue(WorkQueueContract):
    @pytest.fixture
    async def connected_brokers(self, sqs_account: AwsAccount) -> AsyncIterator[tuple[Broker, Broker]]:
        async with sqs_brokers(sqs_account, next(_PREFIXES)) as brokers:
            yield brokers
