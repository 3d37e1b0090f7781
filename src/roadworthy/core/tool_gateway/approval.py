"""Whether a person must allow a call before it is made."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Mapping
from typing import Any, cast

from roadworthy.domain.keepable import foreign_words
from roadworthy.domain.service import ToolPolicy

APPROVAL_SECONDS = 2.0
"""For an async `approval` function. A plain one holds the loop of all tasks, and must be quick."""

ALWAYS = "its policy has a person allow every call"


async def why_asked(policy: ToolPolicy, arguments: Any) -> str | None:
    """Why a person is asked, in words; None where nobody is. In doubt one is: where the function raises, is late, or
    returns anything but False."""
    if not callable(policy.approval):
        return ALWAYS if policy.approval == "always" else None
    try:
        async with asyncio.timeout(APPROVAL_SECONDS):
            answer: Any = _asked(policy.approval, arguments)
            if inspect.isawaitable(answer):
                answer = await answer
    except TimeoutError as error:
        return f"its approval function did not say within {APPROVAL_SECONDS:g} s whether it may be called ({error!r})"
    except asyncio.CancelledError:
        if (this := asyncio.current_task()) is None or this.cancelling():
            raise
        return "its approval function cancelled itself"
    except BaseException as error:
        # Also SystemExit, which would leave the event loop and take every other task with it.
        return f"its approval function failed ({type(error).__name__}: {foreign_words(error)})"
    return None if answer is False else "its policy has a person allow calls with these arguments"


def _asked(approval: Any, arguments: Any) -> Any:
    if isinstance(arguments, dict):
        return approval(**cast(Mapping[str, Any], arguments))
    return approval(arguments)
