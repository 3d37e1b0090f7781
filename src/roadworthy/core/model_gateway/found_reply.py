"""A reply that needed no call of a provider."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from roadworthy.core.attempt import TextStream
from roadworthy.core.model_gateway.model_reply import ModelReply
from roadworthy.domain.event import EventKind
from roadworthy.domain.money import MicroDollars

CacheName = Literal["exact", "semantic"]
Pieces = Sequence[tuple[EventKind, str]]
"""Stretches of text and of thinking, in order."""

_FEWEST_CHARACTERS = 24
_MOST_PIECES = 16


@dataclass(frozen=True, slots=True)
class Found:
    """It costs nothing: its usage and cost are empty."""

    reply: ModelReply
    cache: CacheName
    pieces: Pieces = ()
    """As readers saw them when the reply was made; empty: the reply's text."""
    saved: MicroDollars = 0
    """What the provider's call cost that brought the reply."""
    detail: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """For people, in the journal: of which entry it is and how near that was."""

    async def stream_to(self, stream: TextStream) -> None:
        """Send its text on as a provider would: in pieces, with room for others in between."""
        for kind, text in self.pieces or ((EventKind.TEXT, self.reply.text),):
            for piece in _cut(text):
                stream(kind, piece)
                await asyncio.sleep(0)


def _cut(text: str) -> Iterator[str]:
    size = max(_FEWEST_CHARACTERS, -(-len(text) // _MOST_PIECES))
    for start in range(0, len(text), size):
        yield text[start : start + size]
