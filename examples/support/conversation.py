"""What a small model needs of a message history: the question, what tools answered to it, what was said before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pydantic_ai.messages import ModelMessage, ModelRequest, ToolReturnPart, UserPromptPart


@dataclass(frozen=True, slots=True)
class Conversation:
    """`tool_results` are the answers to this question; `earlier` is what users and tools said before, newest first."""

    question: str = ""
    tool_results: tuple[str, ...] = ()
    earlier: tuple[str, ...] = ()

    @classmethod
    def of(cls, messages: Sequence[ModelMessage]) -> Conversation:
        """Reads a pydantic-ai history: the last thing that the user wrote is the question."""
        question, results, earlier = "", list[str](), list[str]()
        for message in messages:
            if not isinstance(message, ModelRequest):
                continue
            for part in message.parts:
                match part:
                    case UserPromptPart(content=content):
                        earlier = [*reversed(results), *filter(None, [question]), *earlier]
                        results = []
                        question = content if isinstance(content, str) else " ".join(map(str, content))
                    case ToolReturnPart():
                        results.append(part.model_response_str(wrap_if_error=False))
                    case _:
                        pass
        return cls(question, tuple(results), tuple(earlier))
