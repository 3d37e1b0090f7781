"""What a service answered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from email.message import Message
from typing import Any, Self

import orjson

from roadworthy.domain.errors import ToolCallFailed
from roadworthy.domain.failure_class import FailureClass

_PERHAPS_LATER = frozenset({408, 425, 429})
_MOST_WORDS = 200


@dataclass(frozen=True, slots=True)
class Response:
    """Complete, whatever its status."""

    status: int
    headers: Mapping[str, str]
    """Names in any case."""
    body: bytes
    """Not compressed any more."""
    url: str
    """That answered, after all redirects."""

    @property
    def text(self) -> str:
        """In the charset that the service names, else UTF-8; what is not in it becomes `�`."""
        content_type = Message()
        content_type["Content-Type"] = self.headers.get("Content-Type", "")
        try:
            return self.body.decode(content_type.get_content_charset("utf-8"), "replace")
        except LookupError:
            return self.body.decode("utf-8", "replace")

    def json(self) -> Any:
        """ToolCallFailed for a body that is not JSON."""
        try:
            return orjson.loads(self.body)
        except orjson.JSONDecodeError as error:
            raise ToolCallFailed(
                f"the service answered {self.status} with something that is not JSON ({error})"
            ) from None

    def raise_for_status(self) -> Self:
        """Itself. ToolCallFailed for a status from 400 on; worth another try for 408, 425, 429 and from 500 on."""
        if self.status < 400:
            return self
        words = " ".join(self.text.split())
        words = words if len(words) <= _MOST_WORDS else words[: _MOST_WORDS - 1] + "…"
        is_of_the_service = self.status >= 500 or self.status in _PERHAPS_LATER
        raise ToolCallFailed(
            f"the service answered {self.status}: {words or 'nothing'}",
            FailureClass.TOOL_SERVICE_FAILED if is_of_the_service else FailureClass.TOOL_CALL_FAILED,
            retry_after=_seconds(self.headers.get("Retry-After", "")),
        )


def _seconds(text: str) -> float | None:
    return float(text) if text.isascii() and text.isdigit() and len(text) < 7 else None
