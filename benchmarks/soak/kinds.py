"""The kinds of task in a soak, and how each of them may end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

CALLS = "SOAK_CALLS"
"""Environment variable with the file in which tools count their calls."""
ITEM = "item"
CONVERSATIONS = 40
"""Sessions that tasks of the kind `talk` are spread over."""
Kind = Literal["plain", "talk", "tools", "agent", "slow", "flaky", "broken", "unwanted"]


@dataclass(frozen=True, slots=True)
class Rules:
    share: int
    """Of 100 tasks."""
    ends: frozenset[str]
    charges: bool = False
    """It has a `once` call: killed in the middle of that, the task waits for a person."""


_DONE = frozenset({"succeeded"})
RULES: dict[Kind, Rules] = {
    "plain": Rules(52, _DONE),
    "talk": Rules(12, _DONE),
    "tools": Rules(16, _DONE, charges=True),
    "agent": Rules(8, _DONE, charges=True),
    "slow": Rules(4, _DONE),
    "flaky": Rules(4, _DONE),
    "broken": Rules(2, frozenset({"dead"})),
    "unwanted": Rules(2, frozenset({"succeeded", "cancelled"})),
}
_ORDER: tuple[Kind, ...] = tuple(kind for kind, rules in RULES.items() for _ in range(rules.share))


def kind_of(number: int) -> Kind:
    """The kind of the task of that number; 37 has no divisor in common with 100, so kinds come mixed."""
    return _ORDER[number * 37 % len(_ORDER)]
