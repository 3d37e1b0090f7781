"""Which of several equal calls a call is: the same effect has the same key, whoever asks for it again and when."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b

from roadworthy.domain.effect import Outcome
from roadworthy.domain.ids import TaskId


@dataclass(slots=True, eq=False)
class EqualCall:
    """One of several calls of the same tool with the same arguments."""

    result: str
    """The journal name of its result."""
    step: int
    ordinal: int
    """Which of them it is; two with the same ordinal mean the same effect."""
    outcome: str | None = None
    """None while it is under way, and where it raised an error that the journal knows nothing of."""
    is_over: bool = False
    is_withdrawn: bool = False
    """It was begun here, and its tool said before it did anything that somebody has to be asked first."""
    arrival: int = 0
    """Of all calls of the run."""
    meant: bytes | None = None
    """What its key is made of in place of its arguments, where a person gave it others: both."""
    meets: EqualCall | None = None
    """The call that a person gave the arguments of this one, and which this one means."""

    def ended(self, outcome: str | None) -> None:
        self.outcome, self.is_over = outcome, True


class EqualCalls:
    """Of one run of an agent. What a call is told here follows from the journal and from the order in which calls come,
    so that a replay is told the same."""

    def __init__(self) -> None:
        self._by_digest: dict[str, list[EqualCall]] = {}
        self._edited: dict[str, list[EqualCall]] = {}
        self._arrived = 0

    def arrived(self, digest: str, result: str, step: int, *, repeats: bool) -> EqualCall:
        """`repeats` says that an equal call after one that was done means to do it once more."""
        before = self._by_digest.setdefault(digest, [])
        for call in before:
            if call.result == result:
                call.is_over = False
                return call
        taken = {call.ordinal for call in before if (_keeps(call, step) if repeats else call.step == step)}
        ordinal = 0
        while ordinal in taken:
            ordinal += 1
        self._arrived += 1
        call = EqualCall(result, step, ordinal, arrival=self._arrived)
        if not repeats and digest in self._edited:
            call.meets = self._met_by(call, before, self._edited[digest])
        before.append(call)
        return call

    def edited(self, tool: str, asked: bytes, given: bytes, call: EqualCall) -> None:
        """A person gave the call other arguments: whoever asks for those in a later step means the same."""
        if given == asked:
            return
        call.meant = asked + b"\0" + given
        calls = self._edited.setdefault(call_digest(tool, given), [])
        if call not in calls:
            calls.append(call)
            # People decide in any order.
            calls.sort(key=lambda one: one.arrival)

    def _met_by(self, call: EqualCall, before: list[EqualCall], edited: list[EqualCall]) -> EqualCall | None:
        for other in before:
            if other.ordinal == call.ordinal and other.step != call.step:
                return other.meets
        met = {other.meets for other in before}
        return next((one for one in edited if one.step != call.step and one not in met), None)

    def done_before(self, digest: str, call: EqualCall) -> EqualCall | None:
        """The call of an earlier step that has done what this one means."""
        if call.meets is not None and call.meets.outcome == Outcome.DONE:
            return call.meets
        for other in self._by_digest[digest]:
            if other.ordinal == call.ordinal and other.step != call.step and other.outcome == Outcome.DONE:
                return other
        return None


def call_digest(tool: str, arguments: bytes) -> str:
    """The same for equal calls. `arguments` is canonical JSON."""
    return blake2b(tool.encode() + b"\0" + arguments, digest_size=12).hexdigest()


def _keeps(call: EqualCall, step: int) -> bool:
    """Whether what the call means is not what a new one means. In the same step nothing is given back that the journal
    knows of: how calls at the same time came to their ends says nothing of which is which."""
    if not call.is_over or call.outcome == Outcome.DONE:
        return True
    return call.step == step and call.outcome is not None


def idempotency_key(task_id: TaskId, generation: int, within: str, tool: str, arguments: bytes, ordinal: int) -> str:
    """Of what a call means to do. `arguments` is canonical JSON, `within` the agent that makes it."""
    digest = blake2b(f"{task_id}\0{generation}\0{within}\0{tool}\0{ordinal}\0".encode(), digest_size=16)
    digest.update(arguments)
    return f"rw-{digest.hexdigest()}"
