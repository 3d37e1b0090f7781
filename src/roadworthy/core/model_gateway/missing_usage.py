"""Replies whose provider does not say how many tokens they took."""

from __future__ import annotations

import structlog

_MOST_NAMES = 1024
"""Remembered at once: a plain function may make up names."""

log = structlog.get_logger()


class MissingUsage:
    """Tells the log what to do about them, once for each model."""

    def __init__(self) -> None:
        self._said: set[str] = set()

    def says_nothing_of_tokens(self, model: str) -> None:
        if model in self._said or len(self._said) >= _MOST_NAMES:
            return
        self._said.add(model)
        log.warning(
            "usage_missing",
            model=model,
            charged="each call at its estimate, as uncertain",
            todo="have the provider send token counts (of OpenAI-compatible servers: stream_options with "
            "include_usage), or a plain function return the provider's whole reply with its usage; for a model that "
            f'costs nothing, AgentService(prices={{"{model}": Price.free()}})',
        )
