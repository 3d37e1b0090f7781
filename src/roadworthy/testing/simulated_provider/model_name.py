"""Behaviour that is written in the model's name, so that one server serves many behaviours.

`sim-tools2-calls3-tokens50-rate50-latency200` is read part by part:

| part | meaning |
|---|---|
| `tools<N>` | N rounds of tool calls before the text (tools of the request in turn, arguments from their schemas) |
| `calls<N>` | N parallel calls in each of these rounds (1 unless given) |
| `tokens<N>` | length of the text |
| `rate<N>` | tokens per second, 0 for all at once |
| `latency<N>` | milliseconds before the first token |
| `stamp` | each token is the time when it was sent, as with `stamp_tokens` |
| `nonsense` | the first answer is a tool call with broken arguments |
| `fail<KIND>` | every request fails so: `fail429`, `failoverloaded`, `failrefused`, `failcut`, … |

Other parts are only a name (`sim-primary`, `sim-v2`). What the name does not say comes from the settings. Names that do
not begin with `sim-` say nothing. A script that has a reply for the request decides what is said; the name still
decides how fast, and whether it fails.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from roadworthy.testing.simulated_provider.errors import BadRequest, InvalidSetting
from roadworthy.testing.simulated_provider.faults import NAMED_FAULTS, Fault
from roadworthy.testing.simulated_provider.latency import Latency
from roadworthy.testing.simulated_provider.script import MOST_TOKENS
from roadworthy.testing.simulated_provider.settings import ProviderSettings

_FAIL_PART = re.compile(r"fail(\d+|" + "|".join(kind.replace("-", "_") for kind in NAMED_FAULTS) + ")")
_NUMBER_PART = re.compile(r"(tools|calls|tokens|rate|latency)(\d{1,9})")


@dataclass(frozen=True, slots=True)
class Behaviour:
    """How one model behaves."""

    latency: Latency
    tokens_per_second: float
    tokens: int
    stamp_tokens: bool
    rounds: int = 0
    calls: int = 1
    nonsense: bool = False
    fail: str | None = None


def behaviour_of(model: str, settings: ProviderSettings) -> Behaviour:
    """What `model` does under `settings`. Raises BadRequest when the name asks for the impossible."""
    numbers: dict[str, int] = {}
    words: set[str] = set()
    fail: str | None = None
    # `failerror-event` holds a dash of its own.
    parts = model.replace("error-event", "error_event").split("-")
    for part in parts[1:] if parts[0] == "sim" else []:
        if match := _NUMBER_PART.fullmatch(part):
            numbers[match[1]] = int(match[2])
        elif match := _FAIL_PART.fullmatch(part):
            fail = match[1].replace("_", "-")
        else:
            words.add(part)
    try:
        if fail is not None:
            Fault(fail)
        return Behaviour(
            latency=Latency(numbers["latency"] / 1000) if "latency" in numbers else settings.latency,
            tokens_per_second=min(numbers.get("rate", settings.tokens_per_second), 1_000_000),
            tokens=min(numbers.get("tokens", settings.tokens), MOST_TOKENS),
            stamp_tokens="stamp" in words or settings.stamp_tokens,
            rounds=numbers.get("tools", 0),
            calls=min(max(numbers.get("calls", 1), 1), 100),
            nonsense="nonsense" in words,
            fail=fail,
        )
    except InvalidSetting as error:
        raise BadRequest(f"model {model!r}: {error}", 404) from None
