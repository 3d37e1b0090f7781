"""What a provider's wire must be able to do: read a request, write an answer whole or in pieces, write an error."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from roadworthy.testing.simulated_provider.answer import Answer
from roadworthy.testing.simulated_provider.errors import BadRequest
from roadworthy.testing.simulated_provider.json_values import JsonObject, as_list, as_object
from roadworthy.testing.simulated_provider.model_request import ModelRequest


class AnswerStream(Protocol):
    """One answer as server-sent events: opening, each part's tokens in order, closing."""

    def opening(self) -> bytes:
        """What comes before the first part."""
        ...

    def token(self, part: int, index: int) -> bytes:
        """Token `index` of part `part`; the first and last token bring what begins and ends the part."""
        ...

    def closing(self) -> bytes:
        """What comes after the last part."""
        ...


class Wire(Protocol):
    """One provider's JSON shapes."""

    @property
    def overloaded_status(self) -> int:
        """The HTTP status with which this provider says that it is full."""
        ...

    @property
    def id_header(self) -> str:
        """The response header that names the request."""
        ...

    def read(self, body: JsonObject, size: int) -> ModelRequest:
        """Read a request of `size` bytes. Raises BadRequest."""
        ...

    def whole(self, answer: Answer) -> bytes:
        """The answer as one JSON body."""
        ...

    def stream(self, answer: Answer) -> AnswerStream:
        """The answer as events."""
        ...

    def error(self, status: int, message: str) -> bytes:
        """An error body for an HTTP status."""
        ...

    def error_event(self, message: str) -> bytes:
        """An error in the middle of a stream."""
        ...


@dataclass(frozen=True, slots=True)
class Conversation:
    """Where a request stands in its conversation; the fields are those of ModelRequest."""

    key: str
    message: str
    turn: int
    depth: int


def read_conversation(messages: object) -> Conversation:
    """Count a request's messages. A message with nothing but tool results is not a user message. Raises BadRequest."""
    listed = as_list(messages)
    if not listed:
        raise BadRequest("messages: a non-empty list is required")
    key: str | None = None
    message, turn, depth = "", 0, 0
    for position, item in enumerate(listed):
        fields = as_object(item)
        if fields is None or not isinstance(fields.get("role"), str):
            raise BadRequest(f"messages.{position}: an object with role is required")
        if fields["role"] == "assistant":
            turn += 1
            depth += 1
        elif fields["role"] == "user" and (text := _user_text(fields.get("content"))) is not None:
            key = text if key is None else key
            message, turn = text, 0
    return Conversation(key or "", message, turn, depth)


def _user_text(content: object) -> str | None:
    if isinstance(content, str):
        return content
    blocks = [block for block in map(as_object, as_list(content) or []) if block is not None]
    if blocks and all(block.get("type") == "tool_result" for block in blocks):
        return None
    return "".join(str(block.get("text", "")) for block in blocks if block.get("type") == "text")


def read_model(body: JsonObject) -> str:
    """The model's name. Raises BadRequest."""
    model = body.get("model")
    if not isinstance(model, str) or not model:
        raise BadRequest("model: a name is required")
    return model
