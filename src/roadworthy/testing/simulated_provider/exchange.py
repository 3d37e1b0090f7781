"""One request to the model and its answer: wait, be held, fail on purpose, send whole or token by token."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from roadworthy.testing.simulated_provider.answer import Answer
from roadworthy.testing.simulated_provider.http_connection import Connection
from roadworthy.testing.simulated_provider.state import ProviderState
from roadworthy.testing.simulated_provider.statistics import RequestRecord
from roadworthy.testing.simulated_provider.wire import AnswerStream, Wire

_BROKEN_JSON = b'{"id":"broken","choices":[{"index":0,"del'


class Exchange:
    """Sends one answer; `begin` starts it, `release` ends a hold, `abort` ends it early."""

    def __init__(
        self,
        state: ProviderState,
        connection: Connection,
        wire: Wire,
        answer: Answer,
        record: RequestRecord,
        fault: str | None,
    ) -> None:
        self._state = state
        self._connection = connection
        self._wire = wire
        self._answer = answer
        self._record = record
        self._fault = fault
        self._behaviour = state.behaviour(record.model)
        hold = state.hold
        self._hold = hold if hold is not None and hold.covers(answer.request) else None
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._resume: Callable[[], None] = self._wait
        self._total = answer.completion_tokens
        self._sent = 0
        self._at = (0, 0)
        self._started = 0.0

    def begin(self) -> None:
        """Start; the connection tells `abort` when the client goes away."""
        self._connection.work = self
        whole = self._hold is not None and (self._hold.after_tokens is None or not self._record.stream)
        if self._fault == "refused":
            self._end("refused")
            self._connection.reset()
        elif whole:
            self._hold_back(self._wait)
        else:
            self._wait()

    def release(self) -> None:
        """Go on after a hold."""
        self._hold = None
        self._resume()

    def abort(self) -> None:
        """The client went away, or the provider stops."""
        self._stop_timer()
        self._state.forget_held(self)
        self._end("client_closed")

    def _wait(self) -> None:
        seconds = self._behaviour.latency.seconds(self._state.settings.seed, self._record.number)
        rate = self._behaviour.tokens_per_second
        if rate and not self._record.stream:
            seconds += self._total / rate
        if self._fault == "hang":
            seconds = self._state.settings.hang_seconds
        self._later(seconds, self._answer_now)

    def _answer_now(self) -> None:
        match self._fault:
            case None | "cut" | "malformed":
                self._send_answer()
            case "error-event":
                if self._record.stream:
                    self._send_answer()
                else:
                    self._fail(500)
            case "hang":
                self._end("hang")
                self._connection.reset()
            case "overloaded":
                self._fail(self._wire.overloaded_status)
            case status:
                self._fail(int(status))

    def _fail(self, status: int) -> None:
        seconds = self._state.settings.retry_after_seconds
        advice = f"retry-after: {seconds:g}\r\n" if seconds and status in (429, 503, 529) else ""
        message = f"simulated fault {self._fault} at request {self._record.number}"
        self._end(self._fault or str(status))
        self._connection.send(status, self._wire.error(status, message), self._id_header() + advice)

    def _send_answer(self) -> None:
        if self._record.stream:
            self._begin_stream()
            return
        body = self._wire.whole(self._answer)
        self._count_tokens(self._total)
        self._end(self._fault or "answered")
        match self._fault:
            case "cut":
                self._connection.send(200, body, self._id_header(), cut_at=len(body) // 2)
            case "malformed":
                self._connection.send(200, body[: len(body) // 2], self._id_header())
            case _:
                self._connection.send(200, body, self._id_header())

    # streams

    def _begin_stream(self) -> None:
        self._stream: AnswerStream = self._wire.stream(self._answer)
        self._breaks_at = (self._total + 1) // 2 if self._fault else self._total + 1
        self._started = self._loop.time()
        self._send_due(self._stream.opening(), self._connection.begin_stream(self._id_header()))

    def _send_due(self, events: bytes = b"", head: bytes = b"") -> None:
        """Send the tokens whose time has come (several when this process was late), then wait for the next."""
        rate = self._behaviour.tokens_per_second
        due = self._total
        if rate:
            # Half a microsecond of grace: the timer may fire a rounding error early.
            due = min(due, int((self._loop.time() - self._started + 5e-7) * rate) + 1)
        holds_at = None if self._hold is None or self._hold.after_tokens is None else self._hold.after_tokens
        if holds_at is not None:
            due = min(due, holds_at)
        stop = min(due, self._breaks_at)
        count = stop - self._sent
        events += self._next_tokens(count)
        self._count_tokens(count)
        if self._sent >= self._breaks_at:
            self._break_stream(events, head)
        elif holds_at is not None and self._sent >= min(holds_at, self._total):
            self._connection.write_stream(events, head)
            self._hold_back(self._go_on)
        elif self._sent >= self._total:
            self._end(self._fault or "answered")
            self._connection.write_stream(events + self._stream.closing(), head, last=True)
        else:
            if events:
                self._connection.write_stream(events, head)
            self._timer = self._loop.call_at(self._started + self._sent / rate, self._send_due)

    def _go_on(self) -> None:
        rate = self._behaviour.tokens_per_second
        if rate:
            self._started = self._loop.time() - self._sent / rate
        self._send_due()

    def _break_stream(self, events: bytes, head: bytes) -> None:
        self._end(self._fault or "cut")
        if self._fault == "cut":
            self._connection.write_stream(events, head)
            self._connection.cut()
        elif self._fault == "error-event":
            error = self._wire.error_event(f"simulated fault error-event at request {self._record.number}")
            self._connection.write_stream(events + error, head, last=True)
        else:
            broken = b"event: content_block_delta\ndata: " if self._record.wire == "anthropic" else b"data: "
            self._connection.write_stream(events + broken + _BROKEN_JSON + b"\n\n", head, last=True)

    def _next_tokens(self, count: int) -> bytes:
        part, index = self._at
        parts, token = self._answer.parts, self._stream.token
        events: list[bytes] = []
        for _ in range(count):
            events.append(token(part, index))
            index += 1
            if index == len(parts[part].tokens):
                part, index = part + 1, 0
        self._at = (part, index)
        return b"".join(events)

    # the rest

    def _later(self, seconds: float, what: Callable[[], None]) -> None:
        if seconds > 0:
            self._timer = self._loop.call_later(seconds, what)
        else:
            what()

    def _hold_back(self, resume: Callable[[], None]) -> None:
        self._resume = resume
        self._state.hold_back(self)

    def _count_tokens(self, count: int) -> None:
        self._sent += count
        self._record.tokens = self._sent
        self._state.statistics.tokens += count

    def _end(self, outcome: str) -> None:
        # Before the last byte leaves: a client that has its answer must find it counted.
        self._stop_timer()
        self._connection.work = None
        if outcome == self._fault:
            self._state.statistics.faults[outcome] += 1
        self._state.statistics.end(self._record, outcome)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _id_header(self) -> str:
        return f"{self._wire.id_header}: req_{self._answer.id}\r\n"
