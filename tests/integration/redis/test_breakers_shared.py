"""Breakers of several processes' worth of workers over one real server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from redis_broker import Broker

from roadworthy.adapters.redis import RedisBreakers, RedisServer
from roadworthy.core.breakers import LOOK_AGAIN_SECONDS, tool_target
from roadworthy.core.model_gateway.breakers import ModelBreakers

WORKERS = 10
OPEN_SECONDS = 0.5


@pytest.fixture
async def workers(broker: Broker) -> AsyncIterator[list[ModelBreakers]]:
    boards = [RedisBreakers(RedisServer(broker.url)) for _ in range(WORKERS)]
    yield [ModelBreakers(board, 5, OPEN_SECONDS) for board in boards]
    for board in boards:
        await board.close()


async def all_know(workers: list[ModelBreakers], is_open: bool) -> None:
    """Wait until the calls that they make meanwhile have told each of them."""
    async with asyncio.timeout(LOOK_AGAIN_SECONDS * 10):
        while any(worker.open.get("a", False) is not is_open for worker in workers):
            for worker in workers:
                await worker.lets_through("well")
            await asyncio.sleep(0.02)


async def fails(workers: list[ModelBreakers]) -> None:
    for worker in workers:
        worker.failed("a")
        await worker.close()


async def test_a_few_failures_of_each_open_it_for_all_and_one_success_closes_it(workers: list[ModelBreakers]):
    for worker in workers:
        assert await worker.lets_through("a")
    await fails(workers[:5])
    await all_know(workers, is_open=True)

    found: list[ModelBreakers] = []
    async with asyncio.timeout(60):
        while not found:
            found = [worker for worker in workers if await worker.lets_through("a")]
    assert len(found) == 1, "one of all workers looks whether it is well again"
    found[0].succeeded("a", found[0].clock())
    await found[0].close()
    await all_know(workers, is_open=False)
    assert [await worker.lets_through("a") for worker in workers] == [True] * WORKERS


async def test_a_worker_that_starts_while_it_is_open_does_not_call(workers: list[ModelBreakers]):
    newcomer = workers[-1]
    workers[0]._open_seconds = 60
    for _ in range(5):
        workers[0].failed("a")
    await workers[0].close()
    # The first look opens the connection; what it takes beyond a moment, the first call does not wait for.
    await newcomer.lets_through("well")
    await newcomer.close()
    assert not await newcomer.lets_through("a")


async def test_while_the_server_is_away_each_counts_alone_and_shares_again_later(mortal_broker: Broker):
    boards = [RedisBreakers(RedisServer(mortal_broker.url)) for _ in range(2)]
    here, there = (ModelBreakers(board) for board in boards)
    await here.lets_through("a")
    mortal_broker.kill()
    for _ in range(5):
        here.failed("a")
    await here.close()
    assert not await here.lets_through("a")
    mortal_broker.start()
    for _ in range(5):
        here.failed("b")
    await here.close()
    async with asyncio.timeout(20):
        while "b" not in there.open:
            await there.lets_through("well")
            await asyncio.sleep(0.05)
    for board in boards:
        await board.close()


async def test_those_of_tools_are_shared_like_those_of_models(workers: list[ModelBreakers]):
    tool = tool_target("shop", "find_order")
    here, there = workers[:2]
    here._open_seconds = 60
    await there.lets_through("well")
    await there.close()
    for _ in range(5):
        here.failed(tool)
    await here.close()
    async with asyncio.timeout(LOOK_AGAIN_SECONDS * 10):
        while await there.lets_through(tool):  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    assert there.half_open_in(tool) > 50
    assert await there.lets_through(tool_target("other", "find_order"))
