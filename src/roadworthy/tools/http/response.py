"""What a service answered."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import orjson

from roadworthy.domain.errors import ToolCallFailed
from roadworthy.domain.failure_class import FailureClass

_PERHAPS_LATER = frozenset({408, 425, 429})
_MOST_WORDS = 200
_CHARSET = re.compile(r";\s*charset\s*=\s*[\"']?([a-z0-9_.:-]{1,40})", re.IGNORECASE)
# Of what Python can decode besides, some takes minutes for a megabyte (punycode), or fails whatever is to become of
# errors.
_DECODED = re.compile(
    r"(us-)?ascii|latin-?1|utf-?8|utf-?(16|32)(-?[lb]e)?|iso-?8859-?\d{1,2}|iso-2022-(jp|kr)|(windows-|cp)125\d|shift-jis|sjis"
    r"|euc-(jp|kr)|gb2312|gbk|gb18030|big5(-hkscs)?|koi8-[ru]"
)


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
        """In the charset that the service names, where it is a usual one, else UTF-8; what is not in it becomes `�`."""
        try:
            return self.body.decode(_charset(self.headers.get("Content-Type", "")), "replace")
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


def _charset(content_type: str) -> str:
    found = _CHARSET.search(content_type)
    name = found[1].lower().replace("_", "-") if found else "utf-8"
    return name if _DECODED.fullmatch(name) else "utf-8"


def _seconds(text: str) -> float | None:
    return float(text) if text.isascii() and text.isdigit() and len(text) < 7 else None
