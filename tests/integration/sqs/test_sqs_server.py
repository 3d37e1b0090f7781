"""The server that the other tests use does what they need of it."""

import botocore.exceptions
import pytest

from .sqs_server import SqsServer


def test_it_is_there_is_gone_and_comes_back_empty(mortal_server: SqsServer):
    queue = mortal_server.admin.create_queue(QueueName="q")["QueueUrl"]
    mortal_server.admin.send_message(QueueUrl=queue, MessageBody="ticket")
    assert mortal_server.tickets("q") == (1, 0)
    mortal_server.kill()
    with pytest.raises(botocore.exceptions.EndpointConnectionError):
        mortal_server.admin.list_queues()
    mortal_server.start()
    assert mortal_server.queues() == {}
