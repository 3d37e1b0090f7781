"""The models of one service, made and checked when it is loaded."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from pydantic_ai.exceptions import UserError
from pydantic_ai.models import Model

from roadworthy.domain.errors import TargetNotLoadable
from roadworthy.domain.model_input import NamedModel
from roadworthy.domain.route import Tier
from roadworthy.domain.service import AgentService
from roadworthy.frameworks.pydantic_ai.own_models import innermost, models_in, name_of
from roadworthy.frameworks.pydantic_ai.simplified_prompt import SimplifiedPrompt
from roadworthy.frameworks.pydantic_ai.transport import ProviderTransport

_TEST = "test"
"""pydantic-ai's TestModel."""
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
            self.own = self._made(lambda: transport.model(service.agent.model), "the model")
            return
        for name in self._tiers.all:
            self._by_name[name] = self._made(
                partial(_named, transport, name, service.agent.model), f"the model {name!r}"
            )

    def chain(self, tier: Tier | None) -> Chain:
        """Of a tier; empty where the service has no tiers."""
        if self._tiers is None:
            return {}
        return {name: self._by_name[name] for name in self._tiers.chain(tier)}

    def first(self, tier: Tier | None) -> Any:
        """What an agent is run with."""
        return next(iter(self.chain(tier).values()), self.own)

    def billed(self) -> tuple[NamedModel, ...]:
        """Those that somebody bills, by the names that the service gives them."""
        if self._tiers is None:
            return tuple(models_in(self.own))
        return tuple(one._replace(name=name) for name, model in self._by_name.items() for one in models_in(model))

    def _made(self, make: Callable[[], Any], what: str) -> Any:
        try:
            return make()
        except (UserError, ValueError, ImportError) as error:
            # No key, no such provider, or its client is not installed.
            words = f"{what} of service {self._service.name!r} can't be used: {error}"
            raise TargetNotLoadable(words) from error


def _named(transport: ProviderTransport, name: str, own: Any) -> Model:
    """A name without a provider is that of another model of the agent's own provider."""
    if ":" in name or name == _TEST or own is None:
        return transport.model(name)
    own = transport.model(own) if isinstance(own, str) else own
    if (provider := getattr(own, "provider", None)) is None:
        return transport.model(name)
    return transport.model(type(own)(name, provider=provider, settings=own.settings))


def chain_for(model: Model, chain: Chain) -> Chain:
    """The models to ask where the run has chosen `model`: first that one, then the others of its tier.

    A capability may have wrapped the first model of the tier, or have put another one in its place.
    """
    if not chain:
        return {name_of(model): model}
    name, first = next(iter(chain.items()))
    if model is first:
        return chain
    if innermost(model) is innermost(first):
        return {**chain, name: model}
    return {name_of(model): model, **chain}
