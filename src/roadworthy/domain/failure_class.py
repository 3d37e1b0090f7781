"""What can end an attempt badly, and whether that is worth another try: one table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class FailureClass(StrEnum):
    """The `code` of an error that clients, alerts and dead letters see: stable."""

    PROVIDER_OVERLOADED = "provider_overloaded"
    PROVIDER_RATE_LIMITED = "provider_rate_limited"
    PROVIDER_FAILED = "provider_failed"
    CONNECTION_BROKEN = "connection_broken"
    MODEL_TIMED_OUT = "model_timed_out"
    TOOL_TIMED_OUT = "tool_timed_out"
    TOOL_UNREACHABLE = "tool_unreachable"
    TOOL_SERVICE_FAILED = "tool_service_failed"
    LEASE_LOST = "lease_lost"
    INTERNAL_ERROR = "internal_error"

    QUOTA_USED_UP = "quota_used_up"
    AUTHENTICATION_FAILED = "authentication_failed"
    PERMISSION_DENIED = "permission_denied"
    INVALID_MODEL_REQUEST = "invalid_model_request"
    UNKNOWN_MODEL = "unknown_model"
    CONTEXT_TOO_LONG = "context_too_long"
    CONTENT_REFUSED = "content_refused"
    MODEL_MISBEHAVED = "model_misbehaved"
    MODEL_CALL_FAILED = "model_call_failed"
    TOOL_CALL_FAILED = "tool_call_failed"
    TOOL_CALL_DENIED = "tool_call_denied"
    AGENT_FAILED = "agent_failed"
    AGENT_HUNG = "agent_hung"
    NOT_KEEPABLE = "not_keepable"
    WAITED_TOO_LONG = "waited_too_long"

    @property
    def treatment(self) -> Treatment:
        return TREATMENTS[self]

    @property
    def is_retried(self) -> bool:
        return bool(self.treatment.pauses)

    @property
    def needs_new_version(self) -> bool:
        """Whether its task goes on where the code was mended, and nowhere else."""
        return self.treatment.advice.endswith(_MEND)


class Remedy(StrEnum):
    """What may help at once, within the model call that failed so."""

    AGAIN = "again"
    """The same model once more, another one, at last a shorter prompt."""
    ANOTHER = "another"
    """Another model; the same one would only do it again."""
    SHORTER = "shorter"
    """A model with a larger context, or a shorter prompt."""
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class Treatment:
    """How a class of failure is treated."""

    pauses: tuple[float, ...]
    """Seconds before the first, second, … try after it; the last one holds for all that follow. None: not retried."""
    what: str
    """What happened, in words."""
    advice: str
    """What to do once it has ended a task."""
    remedy: Remedy = Remedy.NOTHING
    blames_model: bool = False
    """It says something of the model or its provider, and not of this request: circuit breakers count it."""
    is_of_the_service: bool = False
    """It says something of the key, account or address that a service uses: others may be well with the model."""
    blames_tool: bool = False
    """It says something of what is behind the tool, and not of this call: the tool's circuit breaker counts it."""


# With the default MAX_RETRIES of 3 a task outlives half a minute of trouble, without a person noticing a short one.
PATIENT = (2.0, 8.0, 32.0, 60.0)
PROMPT = (1.0, 6.0, 30.0, 60.0)
AT_ONCE = (0.0,)
NEVER = ()

_F = FailureClass
_R = Remedy
_MEND = "give the mended code a new version, and resume the task there"

TREATMENTS: Mapping[FailureClass, Treatment] = {
    _F.PROVIDER_OVERLOADED: Treatment(
        PATIENT,
        "the provider is overloaded",
        "look at the provider's status page, and resume the task once it is well",
        remedy=_R.AGAIN,
        blames_model=True,
    ),
    _F.PROVIDER_RATE_LIMITED: Treatment(
        PATIENT,
        "the provider's rate limit is reached",
        "have the limit of your account raised, or let fewer tasks run at once (ROADWORTHY_WORKER_CONCURRENCY)",
        remedy=_R.AGAIN,
        blames_model=True,
    ),
    _F.PROVIDER_FAILED: Treatment(
        PROMPT,
        "the provider failed",
        "look at the provider's status page, and resume the task once it is well",
        remedy=_R.AGAIN,
        blames_model=True,
    ),
    _F.CONNECTION_BROKEN: Treatment(
        PROMPT,
        "the connection to the provider broke, or its answer arrived damaged",
        "see that the worker reaches the provider (network, proxy, base URL), and resume the task",
        remedy=_R.AGAIN,
        blames_model=True,
    ),
    _F.MODEL_TIMED_OUT: Treatment(
        PROMPT,
        "the model did not finish in time",
        "raise limits.step_seconds of the service if its answers take that long, and resume the task",
        remedy=_R.ANOTHER,
        blames_model=True,
    ),
    _F.TOOL_TIMED_OUT: Treatment(
        PROMPT,
        "the tool did not come back in time",
        "look why it hangs, or raise `seconds` of its ToolPolicy",
        blames_tool=True,
    ),
    _F.TOOL_UNREACHABLE: Treatment(
        PROMPT,
        "the tool's own connection broke",
        "see that the worker reaches what the tool calls, and resume the task",
        blames_tool=True,
    ),
    _F.TOOL_SERVICE_FAILED: Treatment(
        PROMPT,
        "the service behind the tool failed, or has too much to do",
        "see that the service which the tool calls is well, and resume the task",
        blames_tool=True,
    ),
    # Its lease had to run out before anybody noticed: that was the pause.
    _F.LEASE_LOST: Treatment(
        AT_ONCE,
        "its worker was lost",
        "see in the workers' log what ended them (worker_stuck and event_loop_blocked: a tool held one up; "
        "worker_crashed with SIGKILL: often out of memory), mend it, and resume the task",
    ),
    _F.INTERNAL_ERROR: Treatment(
        PROMPT, "Roadworthy failed at this task", "report it with the worker's log, and resume the task"
    ),
    _F.QUOTA_USED_UP: Treatment(
        NEVER,
        "the account's quota or credit is used up",
        "add credit at the provider, and resume the task",
        remedy=_R.ANOTHER,
        blames_model=True,
        is_of_the_service=True,
    ),
    _F.AUTHENTICATION_FAILED: Treatment(
        NEVER,
        "the provider did not accept the key",
        "set a valid key for the workers, and resume the task",
        remedy=_R.ANOTHER,
        blames_model=True,
        is_of_the_service=True,
    ),
    _F.PERMISSION_DENIED: Treatment(
        NEVER,
        "the key may not do that",
        "allow the key to use this model, and resume the task",
        remedy=_R.ANOTHER,
        blames_model=True,
        is_of_the_service=True,
    ),
    _F.INVALID_MODEL_REQUEST: Treatment(
        NEVER,
        "the provider refused the request as invalid",
        f"mend what the agent sends; {_MEND}",
        remedy=_R.ANOTHER,
    ),
    _F.UNKNOWN_MODEL: Treatment(
        NEVER,
        "the provider knows no such model",
        f"correct the model's name or the provider's URL; {_MEND}",
        remedy=_R.ANOTHER,
        blames_model=True,
        is_of_the_service=True,
    ),
    _F.CONTEXT_TOO_LONG: Treatment(
        NEVER,
        "the conversation is too long for the model",
        "begin a new session, let tools return less, or use a model with a larger context",
        remedy=_R.SHORTER,
    ),
    _F.CONTENT_REFUSED: Treatment(
        NEVER, "the provider's content filter refused it", "resume the task with another input, or discard it"
    ),
    _F.MODEL_MISBEHAVED: Treatment(
        NEVER,
        "the model did not answer in the way that the agent asks for",
        "allow the agent more output retries, or use a stronger model",
    ),
    _F.MODEL_CALL_FAILED: Treatment(
        NEVER,
        "the model call failed",
        "look into the worker's log, mend the cause, and resume the task",
        remedy=_R.ANOTHER,
    ),
    _F.TOOL_CALL_DENIED: Treatment(
        NEVER,
        "a person did not allow a call, and the agent did not go on without it",
        f"have the function catch ToolCallFailed where it makes the call; {_MEND}",
    ),
    _F.TOOL_CALL_FAILED: Treatment(NEVER, "the tool failed", f"mend the tool; {_MEND}"),
    _F.AGENT_FAILED: Treatment(NEVER, "the agent failed", f"mend the agent; {_MEND}"),
    _F.AGENT_HUNG: Treatment(
        NEVER,
        "the agent stood still",
        "bound what the agent waits for, or put long work into a tool, which has a time limit of its own",
    ),
    _F.NOT_KEEPABLE: Treatment(NEVER, "the result can't be kept", f"return something smaller or flatter; {_MEND}"),
    # Only of resumed tasks: any other is `expired`, which nobody can resume.
    _F.WAITED_TOO_LONG: Treatment(
        NEVER,
        "it was resumed, and then waited longer than its limits allow",
        "see that workers of its version run and have free slots (roadworthy queue), and resume it again",
    ),
}


def retry_pause(failure: FailureClass, failures: int, retry_after: float | None, chance: float) -> float:
    """Seconds until the next try after `failures` earlier ones: what the table says and up to half as much again by
    `chance` (from 0 to 1), which spreads what failed together.

    The provider's own wish counts in place of the first pause; later it can only make a pause longer.
    """
    pauses = failure.treatment.pauses
    pause = pauses[min(failures, len(pauses) - 1)]
    spread = pause / 2 * chance
    if retry_after is None:
        return pause + spread
    return (retry_after if not failures else max(pause, retry_after)) + spread


AGAIN_AT_ONCE_SECONDS = 1.0
"""A longer wait for a model is not worth it while there is another one."""
LONGEST_WAIT_SECONDS = 5.0
"""A longer one is left to the task's next try, which holds no worker while it waits."""
_BLIPS = {_F.PROVIDER_FAILED, _F.CONNECTION_BROKEN}
"""Often gone a moment later, unlike a provider that has too much to do."""
_PAUSES_WITHIN_A_CALL = (0.25, 1.0)


def pause_within_call(
    failure: FailureClass, failures: int, retry_after: float | None, others: bool, chance: float
) -> float | None:
    """Seconds until the same model is asked once more, within the same call, after it failed for the `failures`-th
    time; None where that is not worth it. `others` says that another model could be asked instead.
    """
    if failure.treatment.remedy is not Remedy.AGAIN:
        return None
    if others:
        is_worth_it = failures == 1 and (
            failure in _BLIPS if retry_after is None else retry_after <= AGAIN_AT_ONCE_SECONDS
        )
        longest = AGAIN_AT_ONCE_SECONDS
    else:
        is_worth_it = failures <= len(_PAUSES_WITHIN_A_CALL)
        longest = LONGEST_WAIT_SECONDS
    if not is_worth_it or (retry_after or 0) > longest:
        return None
    pause = max(_PAUSES_WITHIN_A_CALL[failures - 1], retry_after or 0)
    return pause * (1 + chance / 2)


def pause_within_tool_call(failures: int, retry_after: float | None, chance: float) -> float | None:
    """Seconds until a tool is called once more, within the same call, after it failed for the `failures`-th time; None
    where the service behind it asked for a longer wait than that is worth."""
    if (retry_after or 0) > LONGEST_WAIT_SECONDS:
        return None
    pause = _PAUSES_WITHIN_A_CALL[min(failures, len(_PAUSES_WITHIN_A_CALL)) - 1]
    return max(pause, retry_after or 0) * (1 + chance / 2)
