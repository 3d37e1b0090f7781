"""Every failure has a name here.

RoadworthyError
├── InvalidRequest              the caller sent something that can't be used          400, 413, 422
│   ├── MalformedRequest            not JSON, or not the shape that is asked for      400
│   ├── InputTooLarge                                                                 413
│   ├── UnknownAgent                                                                  422
│   └── IllegalCursor               a Last-Event-ID or page cursor we never gave out  400
├── NotFound                    not there, or not yours: the answer is the same       404
├── Conflict                                                                          409
│   ├── SessionBusy                 on_busy="reject" met a running task
│   ├── IdempotencyKeyReused        same key, another body
│   ├── NotDead                     resume or discard met a task that is alive or ended otherwise
│   ├── NotPending                  decide met a call that nobody is asked about, or a task that has ended
│   ├── DecidedBefore               decide met a call that was decided otherwise
│   ├── DecisionTooSoon             decide met a call that may still be running
│   ├── NotUncertain                correct met a charge whose cost is known, or whose call is under way
│   ├── NoAnswer                    a grade met a task that has no answer
│   ├── TaskIsDead                  cancel met a dead task, which only an operator ends for good
│   ├── EffectsWouldRepeat          starting a task over would do again what its tools did
│   └── IllegalTransition           a task cannot go from that state to this one
├── NotAllowed                  the caller isn't who they must be                     401, 403
├── OutOfBudget                 a budget takes no new task until its window ends      402
├── StoreUnavailable            PostgreSQL is away; nothing was accepted              503
├── BrokerUnavailable           Redis or SQS is away; the store still knows everything
├── ArgumentsRefused            a tool does not take the arguments that a person gave its call
├── SandboxFailed               code of a model could not be run; it says nothing of the code
├── RequestRefused              a tool may not make the HTTP request that the model wanted
│   └── AddressRefused              it may not connect to where the model wanted it to
├── TooMuchReceived             what a tool fetched is larger, or slower, than it may be
├── EmbeddingFailed             no vectors for a cache: it is passed over
├── TaskInterruption            ends one attempt of a task, on purpose
│   ├── Fenced                      a newer attempt owns the task
│   ├── LeaseLost                   this worker may no longer act for its tasks
│   ├── CancelRequested
│   ├── LimitReached                time, steps or money used up
│   │   └── BudgetUsedUp                a budget above the task: the user's day, the tenant's or everybody's month
│   ├── HandoverRequested           the worker drains
│   ├── EffectUnknown               a `once` call was started and never came back
│   ├── DecisionNeeded              a call waits until a person allows or answers it
│   │   └── AskedByTool                 the tool itself wants that, and has done nothing yet
│   ├── TooSoonToKnow               whether a call happened can't be known yet: it may still be running somewhere
│   └── JournalMismatch             the code no longer does what its journal says
├── AttemptFailed               ends one attempt, not on purpose; its class says whether there is another try
│   ├── ModelCallFailed             what a provider, or the way to it, did wrong
│   ├── ToolCallFailed
│   │   └── RequestNotSent              its HTTP request certainly reached nobody
│   ├── AgentFailed                 the agent's own code raised, or ended more than its answer
│   ├── AgentHung                   it called neither a model nor a tool for too long
│   ├── NotKeepable                 a reply or result that the store can't keep
│   └── InternalError               we failed at this task
├── TargetNotLoadable           `module:attribute` can't be imported or isn't an agent
├── RouterNotLoadable           a trained router's file is missing, damaged or of another release
├── ExamplesUnusable            too few or too similar for a router to learn from, or a file that isn't understood
├── OutsideTask                 what is asked for is known only while a task runs
├── WorkersNotStarting          every worker that a supervisor starts ends at once
├── SettingsInvalid
└── EmbeddedServerError
    ├── DataFolderInUse
    ├── PortTaken
    ├── PlatformHasNoWheel
    ├── DiskFull
    └── EmbeddedServerFailed
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from roadworthy.domain.failure_class import FailureClass


class RoadworthyError(Exception):
    """Something went wrong in Roadworthy."""

    code = "error"
    """Stable and machine-readable: the `code` of the problem document."""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or (type(self).__doc__ or "").strip())

    @property
    def message(self) -> str:
        return str(self.args[0])


class InvalidRequest(RoadworthyError):
    """The request can't be used as it is."""

    code = "invalid_request"


class MalformedRequest(InvalidRequest):
    """The body is not a JSON object of the documented shape."""

    code = "malformed_request"


class InputTooLarge(InvalidRequest):
    """The input is larger than this server accepts."""

    code = "input_too_large"


class UnknownAgent(InvalidRequest):
    """No agent of that name is served here."""

    code = "unknown_agent"


class IllegalCursor(InvalidRequest):
    """That cursor was never given out by this server; leave it away to read from the start."""

    code = "illegal_cursor"


class NotFound(RoadworthyError):
    """There is nothing of that id that you may see."""

    code = "not_found"


class Conflict(RoadworthyError):
    """The request is at odds with the present state."""

    code = "conflict"


class SessionBusy(Conflict):
    """The session already has a task; wait for it, or submit with on_busy "queue" or "interrupt"."""

    code = "session_busy"


class IdempotencyKeyReused(Conflict):
    """This Idempotency-Key came before with another body; use a new key for a new request."""

    code = "idempotency_key_reused"


class NotDead(Conflict):
    """Only a dead task can be resumed or discarded."""

    code = "not_dead"


class NotPending(Conflict):
    """Nobody is asked about this call; GET the task to see what it waits for."""

    code = "not_pending"


class DecidedBefore(Conflict):
    """Somebody has decided about this call already."""

    code = "decided_before"


class DecisionTooSoon(Conflict):
    """The call may still be running; decide when it can no longer be."""

    code = "decision_too_soon"

    def __init__(self, message: str | None = None, *, seconds: float = 0) -> None:
        super().__init__(message)
        self.retry_after = seconds


class NotUncertain(Conflict):
    """Only a charge that nobody is certain of can be corrected."""

    code = "not_uncertain"


class NoAnswer(Conflict):
    """Only an answer can be graded; wait until the task has one."""

    code = "no_answer"


class TaskIsDead(Conflict):
    """A dead task can't be cancelled: an operator resumes or discards it."""

    code = "task_is_dead"


class EffectsWouldRepeat(Conflict):
    """Starting over may do again what the task's tools have done; confirm that, or resume from the failed step."""

    code = "effects_would_repeat"

    def __init__(self, message: str | None = None, effects: Sequence[object] = ()) -> None:
        super().__init__(message)
        self.effects = effects
        """What was done already, or may have been."""


class IllegalTransition(Conflict):
    """A task cannot go from its present state to that one."""

    code = "illegal_transition"


class NotAllowed(RoadworthyError):
    """You may not do that here."""

    code = "not_allowed"


class OutOfBudget(RoadworthyError):
    """The budget is used up until its window ends."""

    code = "out_of_budget"

    def __init__(self, message: str | None = None, *, retry_after: float = 0) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        """Seconds until the window ends."""


class StoreUnavailable(RoadworthyError):
    """The store is away; nothing was accepted. Try again in a few seconds."""

    code = "store_unavailable"


class BrokerUnavailable(RoadworthyError):
    """Redis or SQS is away; tasks are safe in the store and go on more slowly."""

    code = "broker_unavailable"


class EmbeddingFailed(RoadworthyError):
    """The texts could not be turned into vectors."""

    code = "embedding_failed"

    def __init__(self, message: str | None = None, *, of_a_text: bool = False) -> None:
        super().__init__(message)
        self.of_a_text = of_a_text
        """It is one of the texts that can't be embedded: the others can, without it."""


class TaskInterruption(RoadworthyError):
    """Ends this attempt on purpose; what becomes of the task is decided by its kind."""

    code = "interrupted"


class Fenced(TaskInterruption):
    """A newer attempt owns this task; this one may write nothing more."""

    code = "fenced"


class LeaseLost(TaskInterruption):
    """This worker's lease ran out; another worker may already go on with its tasks."""

    code = "lease_lost"


class CancelRequested(TaskInterruption):
    """Somebody cancelled the task."""

    code = "cancelled"


class LimitReached(TaskInterruption):
    """The task used up its time, steps or money."""

    code = "limit_reached"


class BudgetUsedUp(LimitReached):
    """A budget that covers the task is used up."""

    code = "budget_used_up"


class HandoverRequested(TaskInterruption):
    """This worker drains; another one goes on from the journal."""

    code = "handover"


class EffectUnknown(TaskInterruption):
    """A call that must happen only once was started and did not come back; a person decides."""

    code = "effect_unknown"

    def __init__(self, message: str | None = None, *, tool: str | None = None) -> None:
        super().__init__(message)
        self.tool = tool


class DecisionNeeded(TaskInterruption):
    """A tool call waits for a person."""

    code = "decision_needed"

    def __init__(self, message: str | None = None, *, tool: str | None = None) -> None:
        super().__init__(message)
        self.tool = tool


class AskedByTool(DecisionNeeded):
    """The tool wants a person to be asked before it does anything."""

    def __init__(
        self,
        message: str | None = None,
        about: Literal["approval", "input"] = "approval",
        *,
        tool: str | None = None,
        raised: Exception | None = None,
    ) -> None:
        super().__init__(message, tool=tool)
        self.about: Literal["approval", "input"] = about
        self.raised: Exception = raised or self
        """What the tool said it with, in the words of its framework."""


class TooSoonToKnow(TaskInterruption):
    """Whether a call happened is asked once it can no longer be running."""

    code = "too_soon_to_know"

    def __init__(self, message: str | None = None, *, seconds: float = 0) -> None:
        super().__init__(message)
        self.seconds = seconds
        """Until it can be known."""


class JournalMismatch(TaskInterruption):
    """The agent's code no longer does what this task's journal says; a person decides."""

    code = "journal_mismatch"


class ArgumentsRefused(RoadworthyError):
    """The tool does not take these arguments."""

    code = "arguments_refused"


class SandboxFailed(RoadworthyError):
    """The sandbox did not run this code."""

    code = "sandbox_failed"


class RequestRefused(RoadworthyError):
    """This request is not one that the tool may make; nothing was sent."""

    code = "request_refused"


class AddressRefused(RequestRefused):
    """This address is not one that the tool may reach."""

    code = "address_refused"


class TooMuchReceived(RoadworthyError):
    """The answer is larger than the tool accepts, or takes longer."""

    code = "too_much_received"


class AttemptFailed(RoadworthyError):
    """The attempt failed."""

    code = "attempt_failed"
    failure = FailureClass.AGENT_FAILED

    def __init__(
        self,
        message: str | None = None,
        failure: FailureClass | None = None,
        *,
        retry_after: float | None = None,
        tool: str | None = None,
        is_unbilled: bool = False,
    ) -> None:
        super().__init__(message)
        if failure is not None:
            self.failure = failure
        self.code = self.failure.value
        self.is_unbilled = is_unbilled
        """Of a model call: the provider certainly takes nothing for it."""
        self.retry_after = retry_after
        """Seconds that the provider asked us to wait, where it did."""
        self.tool = tool
        """The tool that failed, where it was one."""


class ModelCallFailed(AttemptFailed):
    """The model provider did not answer this call."""

    code = failure = FailureClass.MODEL_CALL_FAILED


class ToolCallFailed(AttemptFailed):
    """A tool raised an error."""

    code = failure = FailureClass.TOOL_CALL_FAILED


class RequestNotSent(ToolCallFailed):
    """The connection could not be made: the request certainly reached nobody."""


class AgentFailed(AttemptFailed):
    """The agent's code raised an error, or tried to end more than its answer."""

    code = failure = FailureClass.AGENT_FAILED


class AgentHung(AttemptFailed):
    """The agent called neither a model nor a tool for too long."""

    code = failure = FailureClass.AGENT_HUNG


class NotKeepable(AttemptFailed):
    """A reply or result can't be kept in the store."""

    code = failure = FailureClass.NOT_KEEPABLE


class InternalError(AttemptFailed):
    """Roadworthy failed at this task; the worker's log says where."""

    code = failure = FailureClass.INTERNAL_ERROR


class TargetNotLoadable(RoadworthyError):
    """The target can't be loaded; name it as `module:attribute` or `path/to/file.py:attribute`."""

    code = "target_not_loadable"


class RouterNotLoadable(RoadworthyError):
    """The file of a trained router can't be used; make it anew with `roadworthy route train`."""

    code = "router_not_loadable"


class ExamplesUnusable(RoadworthyError):
    """A router can't learn from these examples."""

    code = "examples_unusable"


class OutsideTask(RoadworthyError):
    """There is no task here: call it from a task's tools, instructions functions or plain function, and in no thread
    or loop of your own."""

    code = "outside_task"


class WorkersNotStarting(RoadworthyError):
    """No worker could be started; what they wrote before they ended says why."""

    code = "workers_not_starting"


class SettingsInvalid(RoadworthyError):
    """A setting can't be used."""

    code = "settings_invalid"


class EmbeddedServerError(RoadworthyError):
    """A server that Roadworthy starts for you on this machine did not start."""

    code = "embedded_server"


class DataFolderInUse(EmbeddedServerError):
    """Another process is using this data folder."""


class PortTaken(EmbeddedServerError):
    """Something else is listening on this port; choose another with --port."""


class PlatformHasNoWheel(EmbeddedServerError):
    """There is no embedded server for this platform."""


class DiskFull(EmbeddedServerError):
    """The disk is full; free some space and start again."""


class EmbeddedServerFailed(EmbeddedServerError):
    """The embedded server ended right after its start."""
