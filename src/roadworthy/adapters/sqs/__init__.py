"""Tickets over Amazon SQS.

    queue = await open_work_queue("sqs://eu-central-1/roadworthy")

One standard queue a lane, so that a worker polls what it serves and nothing else. While a worker waits, one long poll a
lane is under way, and it is kept from one wait to the next: an idle worker makes three requests a minute for each lane,
however often it asks.

A ticket that was sent before the last claim says nothing new and is deleted unread; one that comes while nobody waits
goes back for another worker. Nothing needs the order, the deduplication or the price of a FIFO queue.

botocore finds credentials and endpoint and signs, aiohttp sends: a call takes a third of the CPU that aiobotocore or
boto3 in threads take (0.5 ms against 1.7 and 1.5), and botocore is all that is installed for it.
"""

from roadworthy.adapters.sqs.work_queue import SqsWorkQueue, open_work_queue

__all__ = ["SqsWorkQueue", "open_work_queue"]
