"""Sorts pydantic-ai's errors into classes of failure."""

from __future__ import annotations

from json import JSONDecodeError

from pydantic_ai import exceptions as pai

from roadworthy.domain.errors import AgentFailed, LimitReached, ModelCallFailed, RoadworthyError
from roadworthy.domain.failure_class import FailureClass
from roadworthy.frameworks.error_class import (
    agent_failure,
    class_of,
    failed_model_call,
    lost_connection,
    model_failure,
    said,
)

_F = FailureClass

_CLASSES: tuple[tuple[type[Exception], FailureClass], ...] = (
    (pai.ModelRateLimitError, _F.PROVIDER_RATE_LIMITED),
    (pai.ConcurrencyLimitExceeded, _F.PROVIDER_RATE_LIMITED),
    (pai.ModelQuotaExceededError, _F.QUOTA_USED_UP),
    (pai.ModelUnavailableError, _F.PROVIDER_OVERLOADED),
    (pai.ModelServerError, _F.PROVIDER_FAILED),
    (pai.ModelTimeoutError, _F.MODEL_TIMED_OUT),
    (pai.ModelRequestTimeout, _F.MODEL_TIMED_OUT),
    (pai.ModelConnectionError, _F.CONNECTION_BROKEN),
    (pai.ModelContextWindowExceededError, _F.CONTEXT_TOO_LONG),
    (pai.ModelNotFoundError, _F.UNKNOWN_MODEL),
    (pai.ContentFilterError, _F.CONTENT_REFUSED),
)
"""The first that fits counts. What is not here says more in its status and words."""

_UNREADABLE = (JSONDecodeError, UnicodeDecodeError)
"""Causes of an error without a category: the answer arrived damaged, or a gateway answered in the provider's place."""


def model_call_failure(error: Exception, model: str) -> ModelCallFailed | None:
    """What went wrong between us and the provider in a model call; None for an error of the code around it."""
    if isinstance(error, pai.FallbackExceptionGroup):
        return _of_all(error, model)
    if (failure := _class_of(error)) is not None:
        return failed_model_call(error, model, failure)
    return model_failure(error, model)


def run_failure(error: Exception) -> RoadworthyError | None:
    """What ended a whole run outside its model and tool calls; None for an error of the agent's own code."""
    match error:
        case RoadworthyError():
            return None
        case pai.UsageLimitExceeded() | pai.RunTimedOut():
            return LimitReached(f"the agent reached a limit of its own: {said(error)}")
        case pai.ContentFilterError():
            return _misbehaved(error, _F.CONTENT_REFUSED)
        case pai.UnexpectedModelBehavior():
            return _misbehaved(error, _F.MODEL_MISBEHAVED)
        case pai.UserError():
            return AgentFailed(f"the agent is not set up as pydantic-ai wants it: {said(error)}")
        case _:
            return agent_failure(error)


def _misbehaved(error: Exception, failure: FailureClass) -> ModelCallFailed:
    return ModelCallFailed(f"{failure.treatment.what} ({said(error)})", failure)


def _class_of(error: Exception) -> FailureClass | None:
    for kind, failure in _CLASSES:
        if isinstance(error, kind):
            return _F.CONNECTION_BROKEN if failure is _F.MODEL_TIMED_OUT and lost_connection(error) else failure
    if isinstance(error, pai.ModelAPIError):
        if isinstance(error.__cause__, _UNREADABLE):
            return _F.CONNECTION_BROKEN
        # A stream that began well and then broke off with something that nobody has a name for.
        return class_of(error) or (_F.PROVIDER_FAILED if error.in_stream else _F.MODEL_CALL_FAILED)
    if isinstance(error, pai.UnexpectedModelBehavior):
        # Here it is the client that can't make sense of an answer; the same question may get another one.
        return _F.PROVIDER_FAILED
    return None


def _of_all(error: pai.FallbackExceptionGroup, model: str) -> ModelCallFailed | None:
    """Of several models that all failed: one that is worth another try, or else the last."""
    each = [model_call_failure(each, model) for each in error.exceptions if isinstance(each, Exception)]
    failed = [one for one in each if one is not None]
    retried = [one for one in failed if one.failure.is_retried]
    return next(reversed(retried or failed), None)
