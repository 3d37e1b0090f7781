"""Tool results in the journal: pydantic-ai's public codec keeps binary content and `ToolReturn`, plain JSON doesn't."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import orjson
from pydantic_ai.durable_exec import JSON_CODEC
from pydantic_ai.exceptions import ModelRetry, ToolFailed, ToolFailedError, ToolRetryError
from pydantic_ai.messages import ToolReturn, ToolReturnContent
from pydantic_ai.tools import ToolDenied

from roadworthy.core.tool_gateway.tool_call import ToolReply
from roadworthy.domain.effect import Outcome
from roadworthy.domain.errors import NotKeepable


def encode_result(tool: str, result: Any) -> ToolReply:
    """NotKeepable for a result that can't be kept."""
    kind = "return" if isinstance(result, ToolReturn) else "content"
    try:
        value = JSON_CODEC.dump(ToolReturn if kind == "return" else ToolReturnContent, result)
        payload = orjson.dumps({"kind": kind, "value": value})
    except Exception as error:
        raise NotKeepable(
            f"the tool {tool!r} returned something that can't be kept in the journal ({error}); "
            "return JSON types, dataclasses or pydantic models"
        ) from error
    return ToolReply(payload, value["return_value"] if kind == "return" else value)


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
    return ToolReply(orjson.dumps({"kind": kind, "message": message}), message, outcome)
