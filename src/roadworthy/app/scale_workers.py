"""Asks again and again what waits, and tells the supervisor how many workers that takes."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Mapping

import structlog

from roadworthy.app.supervisor import Supervisor
from roadworthy.core.execution.scaling import ScalingRule, Trend, decide, demand
from roadworthy.core.insight.upkeep_watch import UpkeepWatch
from roadworthy.core.outage import Outage
from roadworthy.domain.errors import StoreUnavailable
from roadworthy.ports.lanes import Lanes

LOOK_SECONDS = 2.0
LOOKS_BEFORE_SHRINKING = 10
SHARE_OF_TIME = 0.1
"""At most, spent on looking: over a very long queue a look is not cheap for the store."""

log = structlog.get_logger()


async def scale_workers(
    supervisor: Supervisor, store: Lanes, upkeep: UpkeepWatch, lanes: Mapping[str, str], rule: ScalingRule
) -> None:
    """Never returns. While the store can't be asked, nothing is changed. `lanes` as for `demand`."""
    trend = Trend()
    outage = Outage("loads_unknown")
    pause = min(LOOK_SECONDS, rule.down_seconds / LOOKS_BEFORE_SHRINKING)
    took = 0.0
    while True:
        # Several supervisors that look at the same moment would all start workers for the same tasks.
        jitter = 0.75 + random.random() / 2  # noqa: S311
        await asyncio.sleep(jitter * max(pause, took / SHARE_OF_TIME))
        began = time.monotonic()
        try:
            loads = await store.loads()
            await upkeep.seconds()
        except StoreUnavailable as error:
            outage.goes_on(error.message)
            trend = Trend(regrets=trend.regrets, regretted_at=trend.regretted_at)
            continue
        except Exception:
            log.exception("loads_unknown")
            continue
        outage.is_over()
        now = time.monotonic()
        took = now - began
        ours = supervisor.workforce
        decision = decide(
            rule, now, demand(loads, lanes, working=ours.working, registered=supervisor.registered), ours, trend
        )
        trend = decision.trend
        if decision.wanted != ours.wanted:
            supervisor.want(decision.wanted, decision.reason)
