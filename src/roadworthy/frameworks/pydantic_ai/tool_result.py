"""Tool results in the journal: pydantic-ai's public codec keeps binary content and `ToolReturn`, plain JSON doesn't."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

import orjson
from pydantic_ai.durable_exec import JSON_CODEC
from pydantic_ai.exceptions import ModelRetry, ToolFailed, ToolFailedError, ToolRetryError
from pydantic_ai.messages import BinaryContent, ToolReturn, ToolReturnContent
from pydantic_ai.tools import ToolDenied

from roadworthy.core.tool_gateway.tool_call import ToolReply
from roadworthy.domain.effect import Outcome
from roadworthy.domain.errors import NotKeepable
from roadworthy.domain.keepable import foreign_words, with_whole_characters

_LEAST_MEDIA_BYTES = 1000
"""Smaller results are not cut, whatever they hold."""


def encode_result(tool: str, result: Any) -> ToolReply:
    """NotKeepable for a result that can't be kept."""
    kind = "return" if isinstance(result, ToolReturn) else "content"
    is_mended = False
    try:
        value = JSON_CODEC.dump(ToolReturn if kind == "return" else ToolReturnContent, result)
        try:
            payload = orjson.dumps({"kind": kind, "value": value})
        except TypeError:
            value, is_mended = with_whole_characters(value), True
            payload = orjson.dumps({"kind": kind, "value": value})
    except Exception as error:
        raise NotKeepable(
            f"the tool {tool!r} returned something that can't be kept in the journal ({foreign_words(error)}); "
            "return JSON types, dataclasses or pydantic models"
        ) from error
    has_media = len(payload) > _LEAST_MEDIA_BYTES and _has_media(result)
    if kind == "content":
        return ToolReply(payload, value, has_media=has_media, is_mended=is_mended)
    return ToolReply(payload, value["return_value"], content=value["content"], has_media=has_media, is_mended=is_mended)


def encode_retry(error: ToolRetryError | ModelRetry) -> ToolReply:
    return _told("retry", str(error))


def encode_failed(error: ToolFailedError | ToolFailed) -> ToolReply:
    return _told("failed", str(error))


def encode_answer(tool: str, outcome: Outcome, value: Any) -> ToolReply:
    """Of a call that no tool answered: a value as if it were its result, or words to the model."""
    match outcome:
        case Outcome.DONE | Outcome.FALLBACK:
            return replace(encode_result(tool, value), outcome=outcome)
        case Outcome.DENIED:
            return _told("denied", value, outcome)
        case Outcome.NOT_DONE | Outcome.FAILED:
            return _told("failed", value, outcome)


def decode_result(payload: bytes) -> Any:
    """The result as it was given to the agent; raises what tells the model to retry, or that it failed."""
    kept = orjson.loads(payload)
    match kept["kind"]:
        case "retry":
            raise ModelRetry(kept["message"])
        case "failed":
            raise ToolFailed(kept["message"])
        case "denied":
            return ToolDenied(kept["message"])
        case "return":
            return JSON_CODEC.load(ToolReturn, kept["value"])
        case _:
            return JSON_CODEC.load(ToolReturnContent, kept["value"])


def _told(kind: str, message: str, outcome: Outcome = Outcome.FAILED) -> ToolReply:
    words = with_whole_characters(message)
    return ToolReply(orjson.dumps({"kind": kind, "message": words}), words, outcome, is_mended=words != message)


def _has_media(result: Any) -> bool:
    match result:
        case BinaryContent():
            return True
        case ToolReturn():
            return _has_media(result.return_value) or _has_media(result.content)
        case list() | tuple():
            return any(_has_media(each) for each in cast(list[Any], result))
        case dict():
            return any(_has_media(each) for each in cast(dict[Any, Any], result).values())
        case _:
            return False
