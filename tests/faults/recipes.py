"""What the simulated model does with a message, and what must therefore be found afterwards."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

ANSWER = "one two three four five six seven eight"


@dataclass(frozen=True, slots=True)
class Recipe:
    """A message that contains `word` makes the model ask for these tools, step by step, and then answer."""

    word: str
    steps: tuple[tuple[str, ...], ...] = ()
    answer: str = ANSWER
    dead_with: str | None = None
    """The error code with which the task must die; None where it must succeed."""

    @property
    def replies(self) -> list[Any]:
        asks = [{"tools": [_call(tool, step, i) for i, tool in enumerate(tools)]} for step, tools in self._numbered]
        return [*asks, self.answer]

    @property
    def calls(self) -> list[tuple[str, str]]:
        """(tool, item) of each call that the model asks for."""
        return [(tool, _item(step, i)) for step, tools in self._numbered for i, tool in enumerate(tools)]

    @property
    def _numbered(self) -> list[tuple[int, tuple[str, ...]]]:
        return list(enumerate(self.steps, 1))


def _item(step: int, place: int) -> str:
    return f"{step}.{place}"


def _call(tool: str, step: int, place: int) -> dict[str, Any]:
    return {"name": tool, "arguments": {"item": _item(step, place)}}


MIXED = (
    Recipe("Talk"),
    Recipe("Look", (("look_up", "count_stock"),)),
    Recipe("Reserve", (("reserve",),)),
    Recipe("Pay", (("charge",),)),
    Recipe("Order", (("look_up", "reserve", "charge"), ("look_up",))),
)
"""Tools of every effect, alone and at the same time."""


def script_of(recipes: tuple[Recipe, ...]) -> dict[str, Any]:
    """For the simulated provider."""
    return {"rules": [{"contains": recipe.word, "replies": recipe.replies} for recipe in recipes]}
