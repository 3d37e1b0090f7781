"""The process that a supervisor starts: a worker that reports to it, and ends with it.

Run as `python -P -m roadworthy.app.supervised_worker DESCRIPTOR TARGET…`, with one end of a socket pair as that
descriptor. Not forked from the supervisor: agents' modules start threads, and threads do not survive a fork.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import replace

from roadworthy.app.gateway import new_gateway
from roadworthy.app.leash import Leash
from roadworthy.app.prepare import prepared_for_shared_stores
from roadworthy.app.price_file import price_book
from roadworthy.app.run_process import run_process
from roadworthy.app.settings import Settings
from roadworthy.app.stores import opened
from roadworthy.app.targets import load_targets
from roadworthy.app.worker import new_worker, until_drained
from roadworthy.core.execution.run_attempt import Served
from roadworthy.core.execution.worker import Worker
from roadworthy.core.model_gateway.prices import PriceBook
from roadworthy.domain.errors import RoadworthyError

MORE_THAN_DRAINING_SECONDS = 10.0
"""For what a worker does after DRAIN_SECONDS: interrupting what is left, and saying goodbye to the store."""


def main() -> None:
    leash = Leash(int(sys.argv[1]))
    try:
        settings = prepared_for_shared_stores("worker")
        leash.watch(settings.drain_seconds + MORE_THAN_DRAINING_SECONDS)
        book = price_book(settings.prices)
        served = load_targets(sys.argv[2:], book)
        run_process(lambda stop: _worker(settings, served, book, leash, stop))
    except RoadworthyError as error:
        leash.say(error.message)
        sys.stderr.write(f"roadworthy: worker {os.getpid()}: {error.message}\n")
        raise SystemExit(1) from None
    except Exception as error:
        leash.say(f"{type(error).__name__}: {error}")
        raise


async def _worker(
    settings: Settings, served: Mapping[str, Served], book: PriceBook, leash: Leash, stop: asyncio.Event
) -> None:
    worker: Worker | None = None
    beating = asyncio.create_task(leash.beat(lambda: worker.running if worker else 0, stop))
    try:
        async with AsyncExitStack() as stack:
            _, stores = await opened(stack, settings)
            open_registry = leash.announcing(stores.open_registry)
            gateway = new_gateway(stores, served, settings, book)
            worker = new_worker(replace(stores, open_registry=open_registry), served, settings, gateway)
            await until_drained(worker, stop)
    finally:
        beating.cancel()


if __name__ == "__main__":
    main()
