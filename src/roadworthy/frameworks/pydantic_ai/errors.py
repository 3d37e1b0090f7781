"""Which of pydantic-ai's and the provider clients' errors are worth another try."""

from __future__ import annotations

from json import JSONDecodeError

from pydantic_ai import exceptions as pai

from roadworthy.domain.errors import ModelCallFailed
from roadworthy.frameworks.provider_errors import is_retryable

RETRYABLE = (
    pai.ModelRateLimitError,
    pai.ModelUnavailableError,
    pai.ModelServerError,
    pai.ModelConnectionError,
    pai.ModelRequestTimeout,
)
"""Everything else that a provider says about a request would be said again."""

_UNREADABLE = (JSONDecodeError, UnicodeDecodeError)
"""Causes of an error without a category: the answer arrived damaged, or a gateway answered in the provider's place."""


def translated(error: Exception, model: str) -> Exception:
    """A ModelCallFailed for what went wrong between us and the provider, everything else as it is."""
    if isinstance(error, pai.ModelAPIError):
        retryable = isinstance(error, RETRYABLE) or isinstance(error.__cause__, _UNREADABLE)
        message = f"the model {model!r} failed: {error}"
        return ModelCallFailed(message, retryable=retryable, retry_after=error.retry_after)
    if is_retryable(error):
        return ModelCallFailed(f"the connection to the model {model!r} broke: {error}", retryable=True)
    return error
