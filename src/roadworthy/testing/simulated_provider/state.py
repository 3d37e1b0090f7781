"""What one simulated provider knows while it runs: its setup, its counters and the answers that are held back."""

from __future__ import annotations

from typing import Protocol

from roadworthy.testing.simulated_provider.errors import InvalidSetting
from roadworthy.testing.simulated_provider.faults import FaultSchedule
from roadworthy.testing.simulated_provider.hold import Hold, parse_hold
from roadworthy.testing.simulated_provider.json_values import JsonObject, as_count
from roadworthy.testing.simulated_provider.model_name import Behaviour, behaviour_of
from roadworthy.testing.simulated_provider.settings import CHANGEABLE, ProviderSettings, change_settings
from roadworthy.testing.simulated_provider.statistics import Statistics

_CONTROLS = CHANGEABLE | {"hold", "hold_after_tokens", "release", "restore"}
_MOST_MODELS = 10_000


class Held(Protocol):
    """An answer that waits for its release."""

    def release(self) -> None:
        """Go on."""
        ...


class ProviderState:
    """The setup, changeable at run time, and the counters."""

    def __init__(self, settings: ProviderSettings) -> None:
        self._initial = settings
        self._behaviours: dict[str, Behaviour] = {}
        self._held: dict[Held, None] = {}
        self.settings = settings
        self.hold: Hold | None = None
        self.statistics = Statistics()
        self._schedule = FaultSchedule(settings.faults, settings.seed, self.statistics.by_model)

    def behaviour(self, model: str) -> Behaviour:
        """What a model does under the present settings. Raises BadRequest."""
        behaviour = self._behaviours.get(model)
        if behaviour is None:
            if len(self._behaviours) >= _MOST_MODELS:
                self._behaviours.clear()
            behaviour = self._behaviours[model] = behaviour_of(model, self.settings)
        return behaviour

    def fault(self, number: int, model: str) -> str | None:
        """The fault of a request that is already counted: the model name's own, else the schedule's."""
        return self.behaviour(model).fail or self._schedule.draw(number, model, self.statistics.by_model)

    def control(self, changes: JsonObject) -> int:
        """Change the setup; returns how many held answers were released. Raises InvalidSetting and changes nothing."""
        unknown = set(changes) - _CONTROLS
        if unknown:
            known = ", ".join(sorted(_CONTROLS))
            raise InvalidSetting(f"control has no {', '.join(sorted(unknown))}; it has {known}")
        hold = self._changed_hold(changes)
        count = self._release_count(changes, hold)
        base = self._initial if changes.get("restore") is True else self.settings
        settings = change_settings(base, {name: value for name, value in changes.items() if name in CHANGEABLE})
        self.hold = hold
        if settings != self.settings or "faults" in changes:
            self.settings = settings
            self._behaviours.clear()
            self._schedule = FaultSchedule(settings.faults, settings.seed, self.statistics.by_model)
        return self._release(count)

    def reset(self) -> None:
        """Set all counters to 0, request numbers too; the setup stays."""
        self.statistics.reset()
        self._schedule = FaultSchedule(self.settings.faults, self.settings.seed, self.statistics.by_model)

    def hold_back(self, answer: Held) -> None:
        """Keep an answer until it is released."""
        self._held[answer] = None
        self._count_held()

    def forget_held(self, answer: Held) -> None:
        """Drop an answer that nobody waits for any more."""
        if answer in self._held:
            del self._held[answer]
            self._count_held()

    def _changed_hold(self, changes: JsonObject) -> Hold | None:
        if "hold_after_tokens" in changes:
            if "hold" in changes and changes["hold"] not in (True, None):
                raise InvalidSetting("give hold_after_tokens, or hold with after_tokens in it, not both")
            tokens = changes["hold_after_tokens"]
            return None if tokens is None else parse_hold({"after_tokens": tokens})
        if "hold" in changes:
            return parse_hold(changes["hold"])
        return None if changes.get("restore") is True else self.hold

    def _release_count(self, changes: JsonObject, hold: Hold | None) -> int:
        if "release" in changes:
            if (count := as_count(changes["release"])) is None:
                raise InvalidSetting(f"release must be a whole number, not {changes['release']!r}")
            return count
        return len(self._held) if hold is None else 0

    def _release(self, count: int) -> int:
        released = list(self._held)[:count]
        for answer in released:
            del self._held[answer]
        self._count_held()
        for answer in released:
            answer.release()
        return len(released)

    def _count_held(self) -> None:
        self.statistics.held = len(self._held)
        self.statistics.changed()
