"""How a simulated provider behaves unless a model name or a script says otherwise."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Literal

from roadworthy.testing.simulated_provider.errors import InvalidSetting
from roadworthy.testing.simulated_provider.faults import Fault, parse_faults
from roadworthy.testing.simulated_provider.json_values import JsonObject, as_count, as_list, as_number
from roadworthy.testing.simulated_provider.latency import Latency, parse_latency
from roadworthy.testing.simulated_provider.script import MOST_TOKENS, Script, parse_script


@dataclass(frozen=True, slots=True)
class ProviderSettings:
    """The behaviour of a simulated provider. Raises InvalidSetting when a value is not possible."""

    seed: int = 0
    latency: Latency = field(default_factory=Latency)
    tokens_per_second: float = 0.0
    """Speed of the answer after the latency; 0 sends all of it at once."""
    tokens: int = 20
    """Length of generated answers; a smaller limit in the request cuts them off."""
    stamp_tokens: bool = False
    """Each token of a text is `@<CLOCK_MONOTONIC in microseconds when it was sent>@`, to measure its age with."""
    text_by: Literal["conversation", "request"] = "conversation"
    """`conversation`: asking the same again gives the same text; `request`: every request gets another text."""
    script: Script = field(default_factory=Script)
    faults: tuple[Fault, ...] = ()
    retry_after_seconds: float = 1.0
    """Sent in the header `retry-after` with 429 and overloaded; 0 leaves it out."""
    hang_seconds: float = 60.0
    """How long the fault `hang` keeps the connection open."""

    def __post_init__(self) -> None:
        if not 0 <= self.tokens_per_second <= 1_000_000:
            raise InvalidSetting(f"tokens_per_second must be from 0 to 1000000, not {self.tokens_per_second}")
        if not 0 <= self.tokens <= MOST_TOKENS:
            raise InvalidSetting(f"tokens must be from 0 to {MOST_TOKENS}, not {self.tokens}")
        if self.text_by not in ("conversation", "request"):
            raise InvalidSetting(f"text_by must be conversation or request, not {self.text_by!r}")
        if not 0 <= self.retry_after_seconds <= 3600:
            raise InvalidSetting(f"retry_after must be from 0 to 3600 s, not {self.retry_after_seconds}")
        if not 0 < self.hang_seconds <= 3600:
            raise InvalidSetting(f"hang_seconds must be more than 0 and at most 3600, not {self.hang_seconds}")


def change_settings(settings: ProviderSettings, changes: JsonObject) -> ProviderSettings:
    """The settings with the changes of a control request; names and values as in JSON. Raises InvalidSetting."""
    values: dict[str, Any] = {}
    for name, value in changes.items():
        values[_FIELDS[name]] = _read(name, value)
    return replace(settings, **values)


def _read(name: str, value: object) -> object:
    match name:
        case "latency":
            return parse_latency(value if isinstance(value, str) else f"{_number(name, value)}s")
        case "faults":
            faults = as_list(value)
            if faults is None:
                raise InvalidSetting(f"faults must be a list, not {value!r}")
            return parse_faults(faults)
        case "script":
            return parse_script(value)
        case "seed" | "tokens":
            if (count := as_count(value)) is None:
                raise InvalidSetting(f"{name} must be a whole number of 0 or more, not {value!r}")
            return count
        case "tokens_per_second" | "retry_after" | "hang_seconds":
            return _number(name, value)
        case "stamp_tokens":
            if not isinstance(value, bool):
                raise InvalidSetting(f"stamp_tokens must be true or false, not {value!r}")
            return value
        case _:
            return value


def _number(name: str, value: object) -> float:
    if (number := as_number(value)) is None:
        raise InvalidSetting(f"{name} must be a number, not {value!r}")
    return number


_FIELDS = {
    "seed": "seed",
    "latency": "latency",
    "tokens_per_second": "tokens_per_second",
    "tokens": "tokens",
    "stamp_tokens": "stamp_tokens",
    "text_by": "text_by",
    "script": "script",
    "faults": "faults",
    "retry_after": "retry_after_seconds",
    "hang_seconds": "hang_seconds",
}

CHANGEABLE = frozenset(_FIELDS)
"""The settings that a control request may change."""
