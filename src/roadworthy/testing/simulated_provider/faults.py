"""What goes wrong on purpose: which fault, how often or at which request, for which model."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from roadworthy.testing.simulated_provider.draws import draw_fraction
from roadworthy.testing.simulated_provider.errors import InvalidSetting
from roadworthy.testing.simulated_provider.json_values import as_count, as_number, as_object

NAMED_FAULTS = {
    "overloaded": "the provider's way to say it is full: 503 on the OpenAI wire, 529 on the Anthropic wire",
    "refused": "the connection is reset before the answer",
    "hang": "accepted and never answered; the connection is closed after hang_seconds",
    "cut": "the connection ends in the middle of the answer",
    "malformed": "broken JSON in the middle of the answer",
    "error-event": "an error event in the middle of a stream that began with 200 (not streaming: status 500)",
}
"""Faults besides the HTTP statuses 400 to 599, and what they do."""

_SPEC = re.compile(
    r"(?P<kind>[a-z0-9-]+)(?::(?P<probability>[0-9.]+))?(?:@(?P<next>\+)?(?P<at>\d+))?(?:/(?P<model>.+))?"
)


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault, at one request or with a probability.

    `kind` is an HTTP status (`429`) or one of NAMED_FAULTS. With `at`, it happens at exactly that request, counted from
    1 since the start or the last reset, or with `counted_from_now` since the fault was set; else with `probability`.
    `model` is a shell pattern; when it is not `*`, `at` counts only the requests of models that match.
    """

    kind: str
    probability: float = 1.0
    at: int | None = None
    counted_from_now: bool = False
    model: str = "*"

    def __post_init__(self) -> None:
        is_status = self.kind.isdecimal() and 400 <= int(self.kind) <= 599
        if not is_status and self.kind not in NAMED_FAULTS:
            known = ", ".join(NAMED_FAULTS)
            raise InvalidSetting(f"unknown fault {self.kind!r}; use an HTTP status from 400 to 599 or {known}")
        if not 0 <= self.probability <= 1:
            raise InvalidSetting(f"the probability of fault {self.kind} must be from 0 to 1, not {self.probability}")
        if self.at is not None and self.at < 1:
            raise InvalidSetting(f"fault {self.kind}@{self.at}: requests are counted from 1")

    def __str__(self) -> str:
        when = f":{self.probability:g}" if self.at is None else f"@{'+' * self.counted_from_now}{self.at}"
        return f"{self.kind}{when}" + ("" if self.model == "*" else f"/{self.model}")


def parse_fault(spec: object) -> Fault:
    """Read one fault: a string as for `parse_faults`, or an object with the fields of Fault. Raises InvalidSetting."""
    if isinstance(spec, Fault):
        return spec
    if isinstance(spec, str):
        return _parse_text(spec)
    fields = as_object(spec)
    if fields is None or "kind" not in fields:
        raise InvalidSetting(f"a fault is a string like 429:0.1 or cut@2, or an object with kind; got {spec!r}")
    unknown = set(fields) - {"kind", "probability", "at", "counted_from_now", "model"}
    if unknown:
        raise InvalidSetting(f"a fault has no {', '.join(sorted(unknown))}; it has kind, probability, at and model")
    probability = as_number(fields.get("probability", 1.0))
    at = fields.get("at")
    if probability is None or (at is not None and as_count(at) is None):
        raise InvalidSetting(f"fault {fields['kind']}: probability must be a number and at a whole number")
    return Fault(
        kind=str(fields["kind"]),
        probability=probability,
        at=at,
        counted_from_now=fields.get("counted_from_now") is True,
        model=str(fields.get("model", "*")),
    )


def parse_faults(specs: Iterable[object]) -> tuple[Fault, ...]:
    """Read faults written `KIND[:PROBABILITY][@REQUEST][/MODEL]`. Raises InvalidSetting.

    `429:0.1` every tenth request or so, `cut@2` the second request, `500@+1` the next one, `503/sim-a` every
    request of model sim-a. Where several apply to one request the first one wins.
    """
    return tuple(parse_fault(spec) for spec in specs)


def _parse_text(spec: str) -> Fault:
    match = _SPEC.fullmatch(spec.strip())
    if match is None:
        raise InvalidSetting(
            f"{spec!r} is not a fault; write KIND[:PROBABILITY][@REQUEST][/MODEL], as 429:0.1 or cut@2"
        )
    if match["probability"] and match["at"]:
        raise InvalidSetting(f"fault {spec!r} has a probability and a request number; give one of them")
    try:
        probability = float(match["probability"] or 1.0)
    except ValueError:
        raise InvalidSetting(f"the probability in fault {spec!r} is not a number") from None
    return Fault(
        kind=match["kind"],
        probability=probability,
        at=int(match["at"]) if match["at"] else None,
        counted_from_now=match["next"] is not None,
        model=match["model"] or "*",
    )


class FaultSchedule:
    """Decides which fault a request meets; the same for the same seed and order of requests."""

    def __init__(self, faults: Sequence[Fault], seed: int, requests_by_model: Counter[str]) -> None:
        """`requests_by_model` counts the requests that came before the faults were set."""
        self._faults = faults
        self._seed = seed
        self._before = [
            sum(count for model, count in requests_by_model.items() if fnmatchcase(model, fault.model))
            if fault.counted_from_now
            else 0
            for fault in faults
        ]

    def draw(self, number: int, model: str, requests_by_model: Counter[str]) -> str | None:
        """The kind of fault for request `number`, which is already in `requests_by_model`; None for no fault."""
        for index, fault in enumerate(self._faults):
            if fault.model != "*" and not fnmatchcase(model, fault.model):
                continue
            if fault.at is None:
                if draw_fraction(self._seed, f"fault {index}", number) < fault.probability:
                    return fault.kind
                continue
            count = number if fault.model == "*" else _count(requests_by_model, fault.model)
            if count - self._before[index] == fault.at:
                return fault.kind
        return None


def _count(requests_by_model: Counter[str], pattern: str) -> int:
    return sum(count for model, count in requests_by_model.items() if fnmatchcase(model, pattern))
