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
│   └── IllegalTransition           a task cannot go from that state to this one
├── NotAllowed                  the caller isn't who they must be                     401, 403
├── StoreUnavailable            PostgreSQL is away; nothing was accepted              503
├── BrokerUnavailable           Redis or SQS is away; the store still knows everything
├── TaskInterruption            ends one attempt of a task, on purpose
│   ├── Fenced                      a newer attempt owns the task
│   ├── LeaseLost                   this worker may no longer act for its tasks
│   ├── CancelRequested
│   ├── LimitReached                time, steps or money used up
│   ├── HandoverRequested           the worker drains
│   ├── EffectUnknown               a `once` call was started and never came back
│   └── JournalMismatch             the code no longer does what its journal says
├── ModelCallFailed             the provider's answer, translated
├── ToolCallFailed
├── AgentEnded                  the agent's code ended itself, not only its answer
├── NotKeepable                 a reply or result that the store can't keep
├── TargetNotLoadable           `module:attribute` can't be imported or isn't an agent
├── SettingsInvalid
└── EmbeddedServerError
    ├── DataFolderInUse
    ├── PortTaken
    ├── PlatformHasNoWheel
    ├── DiskFull
    └── EmbeddedServerFailed
"""


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


class IllegalTransition(Conflict):
    """A task cannot go from its present state to that one."""

    code = "illegal_transition"


class NotAllowed(RoadworthyError):
    """You may not do that here."""

    code = "not_allowed"


class StoreUnavailable(RoadworthyError):
    """The store is away; nothing was accepted. Try again in a few seconds."""

    code = "store_unavailable"


class BrokerUnavailable(RoadworthyError):
    """Redis or SQS is away; tasks are safe in the store and go on more slowly."""

    code = "broker_unavailable"


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


class HandoverRequested(TaskInterruption):
    """This worker drains; another one goes on from the journal."""

    code = "handover"


class EffectUnknown(TaskInterruption):
    """A call that must happen only once was started and did not come back; a person decides."""

    code = "effect_unknown"


class JournalMismatch(TaskInterruption):
    """The agent's code no longer does what this task's journal says; a person decides."""

    code = "journal_mismatch"


class ModelCallFailed(RoadworthyError):
    """The model provider did not answer this call."""

    code = "model_call_failed"

    def __init__(
        self, message: str | None = None, *, retryable: bool = False, retry_after: float | None = None
    ) -> None:
        super().__init__(message)
        self.retryable = retryable
        self.retry_after = retry_after
        """Seconds that the provider asked us to wait, where it did."""


class ToolCallFailed(RoadworthyError):
    """A tool raised an error."""

    code = "tool_call_failed"


class AgentEnded(RoadworthyError):
    """The agent's code tried to end more than its answer."""

    code = "agent_failed"


class NotKeepable(RoadworthyError):
    """A reply or result can't be kept in the store."""

    code = "not_keepable"


class TargetNotLoadable(RoadworthyError):
    """The target can't be loaded; name it as `module:attribute` or `path/to/file.py:attribute`."""

    code = "target_not_loadable"


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
