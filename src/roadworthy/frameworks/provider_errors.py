"""Which errors of provider clients are worth another try, for clients that Roadworthy does not know by name."""

from __future__ import annotations

import asyncio

_CONNECTION = (ConnectionError, TimeoutError, asyncio.IncompleteReadError)
_CLIENTS = {"openai", "anthropic", "httpx", "httpx2", "httpcore", "httpcore2", "aiohttp", "h11", "json", "ssl"}
_STATUSES = {408, 409, 425, 429}
"""Besides every 5xx: time-outs, conflicts and limits pass; what else a provider refuses it would refuse again."""


def is_retryable(error: Exception) -> bool:
    """Whether the connection broke, or the provider said something that it may not say again.

    An answer is judged by its `status_code`, anything else by where its class comes from.
    """
    if isinstance(error, _CONNECTION):
        return True
    status = getattr(error, "status_code", None) or getattr(error, "status", None)
    if isinstance(status, int):
        return status in _STATUSES or status >= 500
    return type(error).__module__.partition(".")[0] in _CLIENTS


def retry_after(error: Exception) -> float | None:
    """Seconds that the provider asked us to wait, from the header of the answer that the error carries."""
    headers = getattr(getattr(error, "response", None), "headers", None) or getattr(error, "headers", None)
    try:
        return float(headers["retry-after"])  # type: ignore[index]
    except (KeyError, TypeError, ValueError):
        return None
