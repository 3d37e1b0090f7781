"""People who are asked about tool calls: they look at what there is, and say so."""

from __future__ import annotations

import asyncio
import json
import time
from datetime import datetime
from typing import Any

from .effect_database import EffectDatabase
from .http_api import Answer, Api

FOUND, MISSING = "found in the books", "not in the books"
"""What they say of an effect that they were asked about."""


async def waiting_for(api: Api, task_id: str) -> list[dict[str, Any]]:
    """What the task waits to hear."""
    return (await api.task(task_id))["waiting_for"]


async def told_to(api: Api, task_id: str) -> list[str]:
    """What the model was told of its calls: the agents of `effect_services.py` answer with it."""
    output = (await api.task(task_id))["output"]
    return output if isinstance(output, list) else json.loads(output)


async def decide(api: Api, task_id: str, call_id: str, decision: str, **more: Any) -> Answer:
    return await api.post(f"/v1/tasks/{task_id}/decisions", {"call_id": call_id, "decision": decision, **more})


async def look_and_decide(api: Api, effects: EffectDatabase, task_id: str) -> list[str]:
    """Say of each call that the task waits for whether it happened; what was said."""
    said: list[str] = []
    for pending in await waiting_for(api, task_id):
        # Before that it may still happen, and nobody may say that it did not.
        opens_at = datetime.fromisoformat(pending["opens_at"]).timestamp()
        await asyncio.sleep(max(opens_at - time.time(), 0) + 0.01)
        happened = await effects.effects(task_id, pending["tool"], pending["arguments"]["item"])
        said.append("done" if happened else "not_done")
        more = {"value": FOUND} if happened else {"note": MISSING}
        answer = await decide(api, task_id, pending["call_id"], said[-1], **more)
        assert answer.status == 200, answer
    return said
