"""Pages of a list, newest first, and the cursor from one to the next."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as NotBase64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar
from uuid import UUID

from roadworthy.domain.errors import IllegalCursor

MOST_ON_A_PAGE = 200
Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Page(Generic[Item]):
    items: Sequence[Item]
    next_cursor: str | None
    """None on the last page; a page that is exactly full may be followed by an empty one."""


def cursor_after(id_: UUID) -> str:
    return urlsafe_b64encode(id_.bytes).rstrip(b"=").decode()


def id_of_cursor(cursor: str) -> UUID:
    """IllegalCursor for anything but what `cursor_after` gives."""
    try:
        id_ = UUID(bytes=urlsafe_b64decode(cursor.encode("ascii") + b"=="))
    except (NotBase64, ValueError):
        raise IllegalCursor from None
    if cursor_after(id_) != cursor:
        raise IllegalCursor
    return id_
