"""A digest of an agent's code, to tell two states of one version apart."""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from hashlib import blake2b
from typing import Any


def code_digest(parts: Iterable[Any]) -> str:
    """Of the source of functions, where there is one, and of anything else by its `repr`."""
    digest = blake2b(digest_size=12)
    for part in parts:
        if callable(part):
            try:
                text = inspect.getsource(part)
            except (OSError, TypeError):
                text = getattr(part, "__qualname__", type(part).__qualname__)
        else:
            text = repr(part)
        digest.update(text.encode())
        digest.update(b"\0")
    return digest.hexdigest()
