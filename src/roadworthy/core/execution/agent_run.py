"""One run of somebody's agent, which comes to an end whatever the agent does."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

from roadworthy.core.attempt import Attempt
from roadworthy.core.execution.gate import Finished
from roadworthy.domain.errors import AgentHung, Fenced, LeaseLost, RoadworthyError

LATE_SECONDS = 1.0
"""A look that comes later than this says that the event loop stood still, not that the agent did."""


class AgentRun:
    """Runs an agent until it ends, is interrupted, or hangs; who does not end within `grace` seconds is left behind."""

    def __init__(self, run: Coroutine[Any, Any, Finished], attempt: Attempt, grace: float) -> None:
        self._attempt = attempt
        self._tools = attempt.tools
        self._grace = grace
        self._loop = asyncio.get_running_loop()
        self._over: asyncio.Future[RoadworthyError | None] = self._loop.create_future()
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._task = self._loop.create_task(run)
        self._task.add_done_callback(lambda _: self._end(None))
        attempt.progress.grace = grace
        attempt.progress.when_sooner = self._look_again
        self._look_again()

    async def finished(self) -> Finished:
        """What the agent came to; raises what it raised, CancelledError, or the error of what hangs."""
        try:
            hung = await self._over
        except asyncio.CancelledError:
            self._task.cancel()
            await asyncio.wait({self._task}, timeout=self._grace)
            raise
        finally:
            self._attempt.over = True
            for timer in self._timers.values():
                timer.cancel()
        if hung is None:
            return self._task.result()
        self._attempt.abandoned.leave_task(self._task, self._attempt.progress.doing, self._attempt.task.id)
        raise hung

    def interrupt(self, error: RoadworthyError) -> None:
        """End it now; a `once` call under way comes to its end or its limit first, unless the lease is lost."""
        self._attempt.interruption = error
        if isinstance(error, LeaseLost) or not self._tools.once_under_way:
            self._cancel()
        else:
            self._tools.when_no_once_runs = self._cancel

    def is_run_by(self, task: asyncio.Task[Any]) -> bool:
        return task is self._task

    def _cancel(self) -> None:
        self._task.cancel()
        if "leave" not in self._timers:
            self._timers["leave"] = self._loop.call_later(self._grace, self._leave)

    def _leave(self) -> None:
        self._end(self._attempt.interruption or Fenced())

    def _look(self, due: float) -> None:
        progress = self._attempt.progress
        if self._loop.time() - due > LATE_SECONDS:
            progress.forgive()
        if progress.seconds_left() > 0:
            self._look_again()
            return
        hung = progress.stuck()
        if isinstance(hung, AgentHung):
            self.interrupt(hung)
        else:
            # It has been cancelled already, when it was past its own limit.
            self._task.cancel()
            self._end(hung)

    def _look_again(self) -> None:
        if self._over.done():
            return
        if (before := self._timers.get("look")) is not None:
            before.cancel()
        due = self._loop.time() + self._attempt.progress.seconds_left()
        self._timers["look"] = self._loop.call_at(due, self._look, due)

    def _end(self, hung: RoadworthyError | None) -> None:
        if not self._over.done():
            self._over.set_result(hung)
