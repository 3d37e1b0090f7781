"""What a provider's prompt cache saves is asked for by itself, and shown."""

from __future__ import annotations

from decimal import Decimal

from .deployment import Deployment
from .scripts import LONG, calls

QUESTION = "Where is the lamp that I ordered, and what about the kettle? " * 100


async def test_the_second_step_reads_what_the_first_one_wrote(served: Deployment) -> None:
    served.provider.control(script=[calls("look_up"), LONG])
    task = await served.api.submit("anthropic", QUESTION)
    ended = await served.api.ended(task["id"])
    first, second = served.provider.requests
    assert (first.cache_read_tokens, second.cache_read_tokens) == (0, first.cache_write_tokens)
    assert first.cache_write_tokens > len(QUESTION) / 4 > second.cache_write_tokens > 0

    usage = ended["usage"]
    assert usage["cache_read_tokens"] == second.cache_read_tokens
    assert usage["cache_write_tokens"] == first.cache_write_tokens + second.cache_write_tokens
    read, written = usage["cache_read_tokens"], usage["cache_write_tokens"]
    # As the services declare it: $0.25 for a million tokens of input, a tenth for reading, a quarter more for writing.
    assert abs(Decimal(usage["saved_usd"]) * 1_000_000 - (read * Decimal("0.225") - written * Decimal("0.0625"))) <= 1
    steps = (await served.api.get(f"/v1/tasks/{task['id']}/steps")).body["steps"]
    assert [step["usage"]["cache_read_tokens"] for step in steps] == [0, read]
    assert Decimal(steps[0]["saved_usd"]) < 0 < Decimal(steps[1]["saved_usd"])
    assert sum(Decimal(step["saved_usd"]) for step in steps) == Decimal(usage["saved_usd"])
