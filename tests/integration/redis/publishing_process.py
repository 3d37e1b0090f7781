"""Publishes text of many tasks at an even rate, as a worker does, and prints the CPU seconds that it took.

python publishing_process.py URL RECORDS_A_SECOND SECONDS TICK_MILLISECONDS TASK_ID…
"""

import asyncio
import sys
import time
from uuid import UUID

import uvloop
from redis_records import text_record

from roadworthy.adapters.redis import RedisEventLog, RedisServer


async def publish(url: str, rate: int, seconds: float, tick: float, tasks: list[UUID]) -> None:
    log = RedisEventLog(RedisServer(url))
    await log.read(tasks[0], 0)
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    loop = asyncio.get_running_loop()
    started, cpu, sent, behind = loop.time(), time.process_time(), 0, 0.0
    while sent < rate * seconds:
        await asyncio.sleep(tick)
        due = min(int((loop.time() - started) * rate), int(rate * seconds))
        # The text carries when it was sent, for the reader on the same machine.
        now = f"{time.monotonic():.6f} and a few words"
        await log.publish([text_record(tasks[n % len(tasks)], 1 + n // len(tasks), now) for n in range(sent, due)])
        sent = due
        behind = max(behind, loop.time() - started - due / rate)
    print(time.process_time() - cpu, behind, flush=True)
    await log.close()


if __name__ == "__main__":
    url, rate, seconds, tick, *tasks = sys.argv[1:]
    uvloop.run(publish(url, int(rate), float(seconds), float(tick) / 1000, [UUID(task) for task in tasks]))
