"""Tickets, live events and cancel signals over Redis 6.2 and later, or Valkey.

    server = RedisServer("redis://localhost:6379/0")
    queue, events, cancels = RedisWorkQueue(server), RedisEventLog(server), RedisCancelSignals(server)

Each opens its connections when it first needs them and closes them in its `close`. All of them expect one server (or
one that stands for it, like a managed primary), not a sharded cluster: a script touches the streams of many tasks.

The connection is our own, on hiredis: in redis-py 8.1 a command takes 78 µs of CPU (here 25, on uvloop 13), callers
can't share a connection, and a subscriber isn't told that it was reconnected. redis-py still reads the URL and sets up
TLS.
"""

from roadworthy.adapters.redis.breakers import RedisBreakers
from roadworthy.adapters.redis.cache import RedisCache
from roadworthy.adapters.redis.cancel_signals import RedisCancelSignals
from roadworthy.adapters.redis.event_log import RedisEventLog
from roadworthy.adapters.redis.server import RedisServer
from roadworthy.adapters.redis.work_queue import RedisWorkQueue

__all__ = ["RedisBreakers", "RedisCache", "RedisCancelSignals", "RedisEventLog", "RedisServer", "RedisWorkQueue"]
