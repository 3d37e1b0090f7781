"""What a model call sends and what the gateway allows, as far as money, caches and routes must know it."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import NamedTuple


class NamedModel(NamedTuple):
    """A model as a price list looks it up."""

    name: str
    provider: str | None = None
    url: str | None = None


@dataclass(frozen=True, slots=True)
class ModelInput:
    """One request of an agent to a model, before anybody chose the provider."""

    model: str
    """The agent's own model: used where the service has no tiers."""
    input_tokens: int
    """An upper estimate."""
    output_tokens: int | None
    """The limit that the agent itself set for the output."""
    question: str
    """The newest message of the user as text; empty where a reply can't be looked up by it (it holds images, or it is
    not the newest part of the request)."""
    surroundings: Callable[[], bytes]
    """Everything else that the reply depends on: earlier messages, instructions, tools, settings. Equal bytes, equal
    surroundings; made only when a cache asks."""
    streams: bool = True
    can_be_cached: bool = True
    """Whether the reply depends on nothing but question, surroundings and model."""
    is_kept_for_an_hour: bool = False
    """The agent has the provider keep what it can of the request for an hour, which costs more than for minutes."""
    answer_tools: Collection[str] = ()
    """Tools by which the model gives its answer in a structure: asking for one of them does nothing yet."""


@dataclass(frozen=True, slots=True)
class ProviderCall:
    """One call of a provider, as the gateway allows it."""

    model: str
    output_tokens: int | None = None
    """A lower limit than the agent's own, where the money is short."""
    simplified: bool = False
    """With less history and without tools: the last resort."""
