"""Asking a tool's `reconcile` function whether a call that was started has happened."""

from __future__ import annotations

import asyncio
import inspect
from typing import Any

from roadworthy.core.attempt import Attempt
from roadworthy.domain.effect import Done, NotDone, StartedCall
from roadworthy.domain.keepable import foreign_words
from roadworthy.domain.service import Reconcile, ToolPolicy


async def reconciled(
    attempt: Attempt, policy: ToolPolicy, reconcile: Reconcile, started: StartedCall
) -> Done | NotDone | str:
    """What it said, or in words why it did not; it has as long as the tool itself."""
    try:
        with attempt.call(f"the reconcile function of {started.tool!r}", policy.seconds, tool=started.tool, once=True):
            async with asyncio.timeout(policy.seconds):
                said: Any = reconcile(started)
                if inspect.isawaitable(said):
                    said = await said
    except NotDone as said:
        return said
    except TimeoutError as error:
        return f"its reconcile function did not answer within {policy.seconds:g} s ({error!r})"
    except asyncio.CancelledError:
        if (this := asyncio.current_task()) is None or this.cancelling():
            raise
        return "its reconcile function cancelled itself"
    except BaseException as error:
        return f"its reconcile function failed ({type(error).__name__}: {foreign_words(error)})"
    if said is None:
        return "its reconcile function could not tell"
    if isinstance(said, Done | NotDone):
        return said
    return f"its reconcile function returned {type(said).__name__}, not Done(…), NotDone(…) or None"
