"""A provider's answer as the gateway needs it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from roadworthy.domain.budget import MOST_TOKENS
from roadworthy.domain.money import MicroDollars


@dataclass(frozen=True, slots=True)
class ModelReply:
    """What one model call came to."""

    payload: bytes
    """What the framework needs to have the same reply again."""
    model: str
    """As the provider calls it."""
    text: str = ""
    """The whole text, sent to readers where nothing was streamed."""
    tool_calls: Sequence[dict[str, Any]] = ()
    """`{call_id, tool, arguments}` of each call that the model asks for."""
    usage: dict[str, int] = field(default_factory=dict[str, int])
    """`input_tokens, output_tokens, cache_read_tokens, cache_write_tokens`; each from 0 to MOST_TOKENS, whatever the
    provider said."""
    cost: MicroDollars = 0
    """Filled in by the gateway."""
    provider: str | None = None
    url: str | None = None
    """The provider's, as far as it is known: prices differ."""
    is_cut: bool = False
    """It ended at the limit of its output."""
    has_acted: bool = False
    """For it the provider ran a tool that may have done more than read."""
    is_whole: bool = True
    """It ended as its model wanted it to: nothing cut it off or held it back."""

    def __post_init__(self) -> None:
        if not all(0 <= count <= MOST_TOKENS for count in self.usage.values()):
            counts = {name: min(max(count, 0), MOST_TOKENS) for name, count in self.usage.items()}
            object.__setattr__(self, "usage", counts)

    @property
    def is_counted(self) -> bool:
        """Whether the provider said how many tokens it takes money for."""
        return any(self.usage.values())
