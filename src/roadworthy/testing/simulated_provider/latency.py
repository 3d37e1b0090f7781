"""How long the simulated model thinks before its first token."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from statistics import NormalDist

from roadworthy.testing.simulated_provider.draws import draw_fraction
from roadworthy.testing.simulated_provider.errors import InvalidSetting

_DURATION = re.compile(r"(\d+(?:\.\d+)?|\.\d+)(us|ms|s|m)?")
_UNITS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0}
_NORMAL = NormalDist()
_LONGEST_SECONDS = 3600.0


@dataclass(frozen=True, slots=True)
class Latency:
    """Seconds from the request to the first token: always the median, or lognormal around it (sigma > 0)."""

    median_seconds: float = 0.0
    sigma: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.median_seconds <= _LONGEST_SECONDS:
            raise InvalidSetting(f"latency must be from 0 to {_LONGEST_SECONDS:.0f} s, not {self.median_seconds} s")
        if not 0 <= self.sigma <= 5:
            raise InvalidSetting(f"sigma of a lognormal latency must be from 0 to 5, not {self.sigma}")

    def seconds(self, seed: int, number: int) -> float:
        """The latency of request `number`, in seconds; at most one hour."""
        if not self.sigma or not self.median_seconds:
            return self.median_seconds
        fraction = draw_fraction(seed, "latency", number) or 2.0**-53
        drawn = self.median_seconds * math.exp(self.sigma * _NORMAL.inv_cdf(fraction))
        return min(drawn, _LONGEST_SECONDS)

    def __str__(self) -> str:
        median = f"{self.median_seconds * 1000:g}ms"
        return f"lognormal:median={median},sigma={self.sigma:g}" if self.sigma else median


def parse_duration(text: str) -> float:
    """Seconds of `200ms`, `0.2s`, `1m` or, in seconds, `0.2`. Raises InvalidSetting."""
    match = _DURATION.fullmatch(text.strip())
    if match is None:
        raise InvalidSetting(f"{text!r} is not a duration; write it like 200ms, 0.2s or 1m")
    return float(match[1]) * _UNITS[match[2] or "s"]


def parse_latency(text: str) -> Latency:
    """Read `200ms`, `0.2s` or `lognormal:median=400ms,sigma=0.6`. Raises InvalidSetting."""
    kind, colon, rest = text.strip().partition(":")
    if not colon:
        return Latency(parse_duration(kind))
    if kind != "lognormal":
        raise InvalidSetting(f"unknown latency {kind!r}; write 200ms or lognormal:median=400ms,sigma=0.6")
    values = {name.strip(): value for name, _, value in (part.partition("=") for part in rest.split(","))}
    if set(values) != {"median", "sigma"}:
        raise InvalidSetting(f"lognormal needs median and sigma, as in lognormal:median=400ms,sigma=0.6; got {rest!r}")
    try:
        sigma = float(values["sigma"])
    except ValueError:
        raise InvalidSetting(f"sigma must be a number, not {values['sigma']!r}") from None
    return Latency(parse_duration(values["median"]), sigma)
