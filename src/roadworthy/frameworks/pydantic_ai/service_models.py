"""The models of one service, made and checked when it is loaded."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic_ai.exceptions import UserError
from pydantic_ai.models import Model
from pydantic_ai.models.wrapper import WrapperModel

from roadworthy.domain.errors import TargetNotLoadable
from roadworthy.domain.route import Tier
from roadworthy.domain.service import AgentService
from roadworthy.frameworks.pydantic_ai.simplified_prompt import SimplifiedPrompt
from roadworthy.frameworks.pydantic_ai.transport import ProviderTransport

Chain = Mapping[str, Model]
"""Models by the names that the gateway calls them by, in the order in which they are asked."""


class ServiceModels:
    """TargetNotLoadable for a model that nobody knows, or whose key is not set."""

    def __init__(self, service: AgentService, transport: ProviderTransport) -> None:
        self._service = service
        self._tiers = service.models
        self.simplified_prompt = SimplifiedPrompt(service.simplify, service.name)
        self.own: Any = None
        """The agent's own, where the service has no tiers; None if it has none."""
        self._by_name: dict[str, Model] = {}
        if self._tiers is None:
            self.own = self._made(transport, service.agent.model, "its agent's model")
        else:
            self._by_name = {name: self._made(transport, name, f"the model {name!r}") for name in self._tiers.all}

    def chain(self, tier: Tier | None) -> Chain:
        """Of a tier; empty where the service has no tiers."""
        if self._tiers is None:
            return {}
        return {name: self._by_name[name] for name in self._tiers.chain(tier)}

    def first(self, tier: Tier | None) -> Any:
        """What an agent is run with."""
        return next(iter(self.chain(tier).values()), self.own)

    def _made(self, transport: ProviderTransport, model: Any, what: str) -> Any:
        try:
            return transport.model(model)
        except UserError as error:
            reason = str(error)
        except ImportError as error:
            # Of a provider whose client is not installed.
            reason = str(error)
        raise TargetNotLoadable(f"{what} of service {self._service.name!r} can't be used: {reason}")


def chain_for(model: Model, chain: Chain) -> Chain:
    """The models to ask where the run has chosen `model`: first that one, then the others of its tier.

    A capability may have wrapped the first model of the tier, or have put another one in its place.
    """
    if not chain:
        return {model.model_name: model}
    name, first = next(iter(chain.items()))
    if model is first:
        return chain
    if _innermost(model) is _innermost(first):
        return {**chain, name: model}
    return {model.model_name: model, **chain}


def _innermost(model: Model) -> Model:
    while isinstance(model, WrapperModel):
        model = model.wrapped
    return model
