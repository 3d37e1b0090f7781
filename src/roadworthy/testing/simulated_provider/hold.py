"""Answers that wait until they are released, so that a test can act in the middle of a model call."""

from __future__ import annotations

from dataclasses import dataclass

from roadworthy.testing.simulated_provider.errors import InvalidSetting
from roadworthy.testing.simulated_provider.json_values import as_count, as_object
from roadworthy.testing.simulated_provider.model_request import ModelRequest


@dataclass(frozen=True, slots=True)
class Hold:
    """Which answers wait, and where: before the answer, or in a stream after `after_tokens` tokens.

    An answer that is not streamed, or has fewer tokens, waits before its end: nothing is lost, nothing is complete.
    """

    after_tokens: int | None = None
    model: str | None = None
    turn: int | None = None
    contains: str = ""
    """Text in the latest user message."""

    def covers(self, request: ModelRequest) -> bool:
        """Whether the answer to this request waits."""
        return (
            (self.model is None or self.model == request.model)
            and (self.turn is None or self.turn == request.turn)
            and self.contains in request.message
        )


def parse_hold(value: object) -> Hold | None:
    """Read `true`, `false`, null or an object with the fields of Hold. Raises InvalidSetting."""
    if value is None or value is False:
        return None
    if value is True:
        return Hold()
    fields = as_object(value)
    if fields is None:
        raise InvalidSetting(f"hold must be true, false or an object, not {value!r}")
    unknown = set(fields) - {"after_tokens", "model", "turn", "contains"}
    if unknown:
        raise InvalidSetting(f"hold has no {', '.join(sorted(unknown))}; it has after_tokens, model, turn and contains")
    for name in ("after_tokens", "turn"):
        if fields.get(name) is not None and as_count(fields[name]) is None:
            raise InvalidSetting(f"{name} of hold must be a whole number, not {fields[name]!r}")
    for name in ("model", "contains"):
        if fields.get(name) is not None and not isinstance(fields[name], str):
            raise InvalidSetting(f"{name} of hold must be a text, not {fields[name]!r}")
    return Hold(fields.get("after_tokens"), fields.get("model"), fields.get("turn"), fields.get("contains") or "")
