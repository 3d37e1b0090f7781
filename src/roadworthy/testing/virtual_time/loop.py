"""An event loop without waiting: when nobody can run, its clock jumps to the next timer."""

from __future__ import annotations

import asyncio
import heapq
from asyncio import events
from collections.abc import Callable, Coroutine
from contextvars import Context, copy_context
from itertools import count
from random import Random
from typing import Any, TypeVar

from roadworthy.testing.virtual_time.process import CURRENT, NOBODY, SimulatedProcess

T = TypeVar("T")

SECONDS_A_CALLBACK = 1e-6
"""So that no two moments are the same, and time passes for those who never sleep."""
MOST_CALLBACKS = 5_000_000


class _Task(asyncio.Task[T]):
    """Its hash is a number instead of an address: sets of tasks then have the same order in every run."""

    def __init__(self, number: int, coroutine: Coroutine[Any, Any, T], **options: Any) -> None:
        self._number = number
        super().__init__(coroutine, **options)

    def __hash__(self) -> int:
        return self._number


class _Future(asyncio.Future[Any]):
    def __init__(self, number: int, loop: asyncio.AbstractEventLoop) -> None:
        self._number = number
        super().__init__(loop=loop)

    def __hash__(self) -> int:
        return self._number


class VirtualTimeLoop(asyncio.AbstractEventLoop):
    """Runs callbacks of simulated processes, of several that are ready one by chance, in their own order each.

    What a killed process still had to do is kept and never run: not even its `finally` blocks.
    """

    def __init__(self, chance: Random) -> None:
        self._draw = chance.random
        self._now = 0.0
        self._numbers = count()
        self._runnable: list[SimulatedProcess] = []
        self._timers: list[tuple[float, int, asyncio.TimerHandle]] = []
        self._graves: list[object] = []
        self.callbacks = 0
        self.when_broken: Callable[[dict[str, Any]], object] = lambda context: None
        """Told of exceptions that nobody caught, as `call_exception_handler` is."""

    # Processes

    def stop_process(self, process: SimulatedProcess) -> None:
        """As SIGSTOP does: time goes on, nothing of the process runs."""
        if not process.held:
            process.held = True
            if process.ready:
                self._runnable.remove(process)

    def continue_process(self, process: SimulatedProcess) -> None:
        """As SIGCONT does: everything that became due meanwhile runs now."""
        if process.held and not process.killed:
            process.held = False
            if process.ready:
                self._runnable.append(process)

    def kill_process(self, process: SimulatedProcess) -> None:
        """As SIGKILL does: it vanishes between two callbacks."""
        if not process.killed:
            self.stop_process(process)
            process.killed = True
            for tell in process.when_killed:
                self.call_soon(tell, context=NOBODY.context())

    def start(self, process: SimulatedProcess, coroutine: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Run the coroutine as a part of the process."""
        return self.create_task(coroutine, context=process.context())

    # Running

    def run(self, main: Coroutine[Any, Any, T]) -> T:
        """The result of `main`; RuntimeError if everybody waits for ever, or nobody ever waits."""
        events._set_running_loop(self)
        try:
            task = self.create_task(main)
            while not task.done():
                self._run_once()
            return task.result()
        finally:
            events._set_running_loop(None)

    def _run_once(self) -> None:
        runnable = self._runnable
        if not runnable:
            self._jump()
            return
        place = int(self._draw() * len(runnable)) if len(runnable) > 1 else 0
        process = runnable[place]
        handle = process.ready.popleft()
        if not process.ready:
            runnable[place] = runnable[-1]
            runnable.pop()
        if not handle.cancelled():
            self.callbacks += 1
            self._now += SECONDS_A_CALLBACK
            if self.callbacks > MOST_CALLBACKS:
                raise RuntimeError(f"{MOST_CALLBACKS:,} callbacks and no end: somebody turns in circles")
            handle._run()
        if self._timers and self._timers[0][0] <= self._now:
            self._wake()

    def _jump(self) -> None:
        while self._timers and self._timers[0][2].cancelled():
            heapq.heappop(self._timers)
        if not self._timers:
            raise RuntimeError("everybody waits for something that will never come")
        self._now = max(self._now, self._timers[0][0])
        self._wake()

    def _wake(self) -> None:
        while self._timers and self._timers[0][0] <= self._now:
            handle = heapq.heappop(self._timers)[2]
            if not handle.cancelled():
                self._add(handle)

    def _add(self, handle: asyncio.Handle) -> None:
        process: SimulatedProcess = handle._context.get(CURRENT, NOBODY)  # type: ignore[attr-defined]
        if process.killed:
            # Dropping it would drop the task that waits for it, and that would run its `finally` blocks.
            self._graves.append(handle)
            return
        process.ready.append(handle)
        if len(process.ready) == 1 and not process.held:
            self._runnable.append(process)

    # What asyncio asks of a loop

    def time(self) -> float:
        return self._now

    def call_soon(self, callback: Any, *args: Any, context: Context | None = None) -> asyncio.Handle:
        handle = asyncio.Handle(callback, args, self, context)
        self._add(handle)
        return handle

    def call_soon_threadsafe(self, callback: Any, *args: Any, context: Context | None = None) -> asyncio.Handle:
        return self.call_soon(callback, *args, context=context)

    def call_later(
        self, delay: float, callback: Any, *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        return self.call_at(self._now + delay, callback, *args, context=context)

    def call_at(self, when: float, callback: Any, *args: Any, context: Context | None = None) -> asyncio.TimerHandle:
        timer = asyncio.TimerHandle(when, callback, args, self, context)
        heapq.heappush(self._timers, (when, next(self._numbers), timer))
        return timer

    def create_task(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, coro: Coroutine[Any, Any, T], *, name: str | None = None, context: Context | None = None
    ) -> asyncio.Task[T]:
        context = copy_context() if context is None else context
        if CURRENT not in context and (process := CURRENT.get(None)) is not None:
            context.run(CURRENT.set, process)  # an empty context, made so that log fields are not inherited
        return _Task(next(self._numbers), coro, loop=self, name=name, context=context)

    def get_task_factory(self) -> None:
        """None: tasks are always the loop's own."""

    def create_future(self) -> asyncio.Future[Any]:
        return _Future(next(self._numbers), self)

    def run_in_executor(self, executor: Any, func: Any, *args: Any) -> asyncio.Future[Any]:
        raise RuntimeError("threads have a time of their own: use `async def` functions in virtual time")

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        self.when_broken(context)

    def get_debug(self) -> bool:
        return False

    def is_running(self) -> bool:
        return True

    def is_closed(self) -> bool:
        return False

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """Cancelled timers are thrown away when their time comes."""
