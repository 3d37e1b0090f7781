"""Has a provider keep the beginning of a prompt that comes again: reading it costs a tenth, writing it a quarter more.

What is written is paid back by the first time it is read. A model that is asked with tools is asked again with
their results, and a session that has gone on before will probably go on. A question by itself is asked once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import cast

from pydantic_ai.messages import ModelMessage, ModelResponse
from pydantic_ai.models import Model, ModelRequestParameters
from pydantic_ai.settings import ModelSettings, merge_model_settings

LEAST_TOKENS = 1024
"""Providers cache nothing shorter."""

_CACHED = ModelSettings(cache=True)


def with_prompt_caching(
    settings: ModelSettings | None,
    model: Model,
    messages: Sequence[ModelMessage],
    parameters: ModelRequestParameters,
    input_tokens: int,
) -> ModelSettings | None:
    """The settings, with prompt caching where it pays and nobody has said anything about it.

    Models that cache by themselves (OpenAI's, Gemini) need no setting and get none.
    """
    if input_tokens < LEAST_TOKENS or not _comes_again(messages, parameters) or not _is_left_open(model, settings):
        return settings
    return merge_model_settings(settings, _CACHED)


def _comes_again(messages: Sequence[ModelMessage], parameters: ModelRequestParameters) -> bool:
    return bool(parameters.function_tools) or any(isinstance(message, ModelResponse) for message in messages)


def _is_left_open(model: Model, settings: ModelSettings | None) -> bool:
    # Not public, and the only one who knows each provider's own settings; tests/integration/frameworks holds it.
    not_enabled = cast(Callable[[ModelSettings | None], bool], getattr(model, "_caching_not_enabled"))  # noqa: B009
    return not_enabled(settings)
