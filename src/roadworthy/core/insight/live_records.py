"""Keeps one reader subscribed to the live log, through every trouble of the broker."""

from __future__ import annotations

import random

import structlog

from roadworthy.core.insight.followers import Follower
from roadworthy.domain.errors import BrokerUnavailable
from roadworthy.ports.clock import Clock
from roadworthy.ports.event_log import EventLog

_NEXT_SECONDS = 30.0
_FIRST_PAUSE = 0.5
_LAST_PAUSE = 8.0


async def deliver_live_records(event_log: EventLog, clock: Clock, follower: Follower) -> None:
    """Deliver what is published for the follower's task until cancelled; nothing is delivered while the broker
    is away."""
    pause = _FIRST_PAUSE
    while True:
        try:
            async with event_log.subscribe(follower.task_id) as subscription:
                follower.subscribed()
                while True:
                    follower.deliver(await subscription.next(_NEXT_SECONDS))
                    pause = _FIRST_PAUSE
        except BrokerUnavailable:
            pass  # told once a process by those who publish, not once a reader
        except Exception:
            structlog.get_logger().exception("live_events_failed", task_id=str(follower.task_id))
        follower.not_subscribed()
        # Thousands of readers lose the broker at the same moment and must not come back at the same moment.
        await clock.sleep(pause * (0.5 + random.random()))  # noqa: S311
        pause = min(pause * 2, _LAST_PAUSE)
