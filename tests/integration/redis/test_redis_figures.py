"""What live events cost. Printed with `pytest -s`; only that everything arrives is asserted."""

import asyncio
import sys
import time
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from redis_broker import Broker

from roadworthy.adapters.redis import RedisEventLog, RedisServer
from roadworthy.domain.ids import TaskId, new_id
from roadworthy.ports.event_log import Subscription

RATE, SECONDS, TASKS = 5_000, 1, 100
RECORDS = RATE * SECONDS


async def watch(subscription: Subscription, delays: list[float]) -> None:
    received = 0
    while received < RECORDS // TASKS:
        records = await subscription.next(10)
        assert records, "something got lost"
        received += len(records)
        now = time.monotonic()
        delays += (now - float(record.events[0].data["text"].split(" ")[0]) for record in records)


@pytest.mark.parametrize("tick", [1, 10])
async def test_what_a_record_costs(mortal_broker: Broker, tick: int) -> None:
    tasks: list[TaskId] = [new_id() for _ in range(TASKS)]
    log = RedisEventLog(RedisServer(mortal_broker.url))
    publisher = await asyncio.create_subprocess_exec(
        sys.executable,
        Path(__file__).parent / "publishing_process.py",
        *(mortal_broker.url, str(RATE), str(SECONDS), str(tick), *map(str, tasks)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert publisher.stdin and publisher.stdout
    delays: list[float] = []
    async with AsyncExitStack() as stack:
        subscriptions = [await stack.enter_async_context(log.subscribe(task)) for task in tasks]
        await publisher.stdout.readline()
        server_before, own_before = mortal_broker.cpu_seconds(), time.process_time()
        publisher.stdin.write(b"go\n")
        await asyncio.gather(*(watch(subscription, delays) for subscription in subscriptions))
        own, server = time.process_time() - own_before, mortal_broker.cpu_seconds() - server_before
        publishing, behind = map(float, (await publisher.stdout.readline()).split())
    await publisher.wait()
    delays.sort()
    memory = mortal_broker.admin.info("memory")["used_memory"] / RECORDS
    print(
        f"\n{mortal_broker.program.name}: {RATE} records/s in ticks of {tick} ms, {TASKS} subscribers: "
        f"CPU a record publisher {publishing / RECORDS * 1e6:.1f} µs, server {server / RECORDS * 1e6:.1f} µs, "
        f"subscriber {own / RECORDS * 1e6:.1f} µs ({own / SECONDS:.1%} of a core); "
        f"late by p50 {delays[len(delays) // 2] * 1e3:.1f} ms, p99 {delays[len(delays) * 99 // 100] * 1e3:.1f} ms; "
        f"publisher behind by {behind * 1e3:.0f} ms at most; {memory:.0f} bytes a record"
    )
    await log.close()
