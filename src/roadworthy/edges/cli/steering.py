"""What agents, tools and providers say must not steer the terminal that it is shown in."""

from __future__ import annotations

STEERING = dict.fromkeys([*range(32), *range(127, 160), *range(0x202A, 0x202F), *range(0x2066, 0x206A)])
"""For `str.translate`: control characters, and those that turn the order of text around."""
del STEERING[ord("\n")], STEERING[ord("\t")]


def without_steering(text: str) -> str:
    return text.translate(STEERING)
