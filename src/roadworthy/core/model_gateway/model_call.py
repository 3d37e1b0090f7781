"""`gate.model`: one model call, from the journal if it was made before."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from roadworthy.core.attempt import Attempt, Draft
from roadworthy.core.model_gateway.gateway import ModelGateway
from roadworthy.core.model_gateway.model_reply import ModelReply
from roadworthy.core.model_gateway.provider_calls import ModelCall
from roadworthy.core.scope import Scope
from roadworthy.domain.errors import BudgetUsedUp, Fenced, LimitReached
from roadworthy.domain.journal import EntryKind, key_in

__all__ = ["ModelCall", "ModelReply", "call_model"]


async def call_model(
    attempt: Attempt,
    scope: Scope,
    gateway: ModelGateway,
    do: Callable[[ModelCall], Awaitable[ModelReply]],
    *,
    is_asked_again: bool = False,
) -> bytes:
    """The reply's payload, once it is in the journal.

    `do` awaits `answer` of its argument and returns what the framework made of that. `is_asked_again` says that the
    agent could not use the reply before: its request says why. Raises ModelCallFailed when no
    provider answers, TaskInterruption when the attempt must end.
    """
    (attempt.on_trial.rejected if is_asked_again else attempt.on_trial.taken)(scope.within)
    attempt.model_calls += 1
    scope.steps += 1
    step, chain = scope.steps, scope.chain()
    name = scope.name(f"m{step}")
    if entry := attempt.replayed(name):
        attempt.journal_check.same(entry, "chain", chain)
        # Calls that were made at the same time saw the same chain: all of them start before the first one is linked.
        await asyncio.sleep(0)
        scope.link(entry.name, entry.payload)
        if (cut := entry.detail.get("cut")) is not None:
            raise (BudgetUsedUp if cut["code"] == BudgetUsedUp.code else LimitReached)(cut["message"])
        return entry.payload
    await attempt.journal_check.nothing_left_out()
    attempt.check_limits()
    await attempt.permit()
    # What the agents of a tool say is for that tool, not for the readers.
    call = ModelCall(attempt, gateway, key_in(attempt.task.generation, name), not scope.within.startswith("t"))
    try:
        reply = await do(call)
        detail = {
            **scope.detail,
            "step": step,
            "version": attempt.service.version,
            "chain": chain,
            **call.detail(reply),
        }
        try:
            await attempt.record(Draft(name, EntryKind.MODEL, reply.payload, detail, call.settlement()))
        except Fenced:
            # The next attempt may have taken the call for one of unknown cost.
            attempt.purse.settle_unwritten()
            raise
        if call.is_cached:
            attempt.on_trial.add(scope.within, call)
    finally:
        await call.close()
    scope.link(name, reply.payload)
    if call.cut is not None:
        # The agent would take it for a whole answer.
        raise call.cut
    return reply.payload
