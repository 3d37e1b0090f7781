"""Circuit breakers before models: one that fails again and again is passed over for a while, by all workers."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from roadworthy.core.breakers import TargetBreakers
from roadworthy.domain.failure_class import FailureClass


class ModelBreakers(TargetBreakers):
    """The breakers of one worker, those of its tools among them."""

    def of(self, service: str) -> ServiceBreakers:
        return ServiceBreakers(self, service)


class ServiceBreakers:
    """The breakers before the calls of one service: of each model, and of the model as this service reaches it, with
    its key, account and address."""

    def __init__(self, breakers: ModelBreakers, service: str) -> None:
        self._breakers = breakers
        self._service = service

    async def lets_through(self, model: str) -> bool:
        breakers, own = self._breakers, self._own(model)
        if not await breakers.lets_through(own):
            return False
        probe, is_through = breakers.probe_of(own), False
        try:
            is_through = await breakers.lets_through(model)
        finally:
            if not is_through:
                breakers.give_back(own, probe)
        return is_through

    @contextmanager
    def calling(self, model: str) -> Generator[None]:
        with self._breakers.calling(self._own(model)), self._breakers.calling(model):
            yield

    def succeeded(self, model: str, began: float) -> None:
        self._breakers.succeeded(model, began)
        self._breakers.succeeded(self._own(model), began)

    def failed(self, model: str, failure: FailureClass) -> None:
        """Count it where it tells of more than its own request."""
        if failure.treatment.blames_model:
            self._breakers.failed(self._own(model) if failure.treatment.is_of_the_service else model)

    def half_open_in(self, model: str) -> float:
        return max(self._breakers.half_open_in(model), self._breakers.half_open_in(self._own(model)))

    def _own(self, model: str) -> str:
        return f"{model} ({self._service})"
