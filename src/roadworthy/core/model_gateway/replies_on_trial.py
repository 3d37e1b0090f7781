"""Replies that wait for their agent's judgement before a cache keeps them."""

from __future__ import annotations

from typing import Protocol


class OnTrial(Protocol):
    """A model call whose reply is in the journal."""

    def keep(self) -> None: ...

    def forget(self) -> None: ...


class RepliesOnTrial:
    """Of one attempt. A reply that its agent goes on with may serve others; one that it has the model make again may
    not, or it would fail every later task as well. What an agent never judged is not kept."""

    def __init__(self) -> None:
        self._waiting: dict[str, list[OnTrial]] = {}
        """By who asked: `Scope.within`."""

    def add(self, within: str, reply: OnTrial) -> None:
        self._waiting.setdefault(within, []).append(reply)

    def taken(self, within: str) -> None:
        for reply in self._waiting.pop(within, ()):
            reply.keep()

    def rejected(self, within: str) -> None:
        for reply in self._waiting.pop(within, ()):
            reply.forget()

    def clear(self) -> None:
        self._waiting.clear()
