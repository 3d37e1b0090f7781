"""Claims cost the same however many tasks wait: what the statement does, not how fast this machine does it."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from typing import Any
from uuid import UUID, uuid4

import pytest

from roadworthy.adapters.postgres import Pool, PostgresTaskStore, PostgresWorkerRegistry, open_pool
from roadworthy.adapters.postgres.queries import load_queries
from roadworthy.adapters.postgres.queue_front import MARGIN, QueueFront
from roadworthy.domain.principal import Principal
from roadworthy.domain.task import Claimed
from roadworthy.ports.worker_registry import Worker
from roadworthy.testing.conformance.scenario import new_task

from .conftest import MIGRATED, Server
from .deep_queue import LANES, connect, fill, keep_vacuum_away

LIMIT = 50
PAGES_A_TASK = 60
"""Most pages that the claim of one task may touch, with all its indexes: about 45 were measured."""
PAGES_A_LANE = 30
"""Most pages that two looks at a lane's front and a step of its virtual time may touch: about 15 were measured."""


@pytest.fixture(scope="session")
def deep_queue(server: Server) -> Iterator[str]:
    """The URL of a database with a deep queue; what tests claim stays claimed."""

    async def make() -> None:
        await server.run(f"create database deep template {MIGRATED} strategy file_copy")
        connection = await connect(server.url("deep"))
        await keep_vacuum_away(connection)
        await fill(connection)
        await connection.close()

    asyncio.run(make())
    yield server.url("deep")
    asyncio.run(server.run("drop database deep with (force)"))


@pytest.fixture
async def deep(deep_queue: str) -> AsyncIterator[Pool]:
    pool = await open_pool(deep_queue, 8)
    yield pool
    await pool.close()


async def worker(pool: Pool) -> UUID:
    new = Worker(id=uuid4(), lanes=dict.fromkeys(LANES, "digest"), host="here", process_id=1)
    await PostgresWorkerRegistry(pool).register(new, 3600)
    return new.id


async def explained(pool: Pool, limit: int = LIMIT, begins: int = 0, *, generic: bool = True) -> list[dict[str, Any]]:
    """The nodes of the plan that a claim was carried out by, outermost first; the claim is rolled back."""
    worker_id = await worker(pool)
    async with pool.transaction() as transaction:
        if not generic:
            await transaction.execute("set local plan_cache_mode = 'force_custom_plan'")
        query = f"explain (analyze, buffers, format json) {load_queries('task_store')['claim']}"
        found = await transaction.fetch(query, worker_id, LANES, limit, "continued", [begins] * len(LANES))
        await transaction.execute("rollback")
        await transaction.execute("begin")
    return list(nodes(json.loads(found[0][0])[0]["Plan"]))


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for inner in plan.get("Plans", ()):
        yield from nodes(inner)


def touched(plan: list[dict[str, Any]]) -> int:
    """Pages, each counted as often as it was."""
    # What the last parts of a statement do is not in the sum of the outermost node.
    tops = [plan[0], *(node for node in plan if node["Node Type"] == "ModifyTable")]
    return max(node["Shared Hit Blocks"] + node["Shared Read Blocks"] for node in tops)


@pytest.mark.parametrize("plan", ["generic", "custom"])
@pytest.mark.parametrize("statistics", ["stale", "fresh"])
async def test_a_claim_looks_only_at_the_front_of_each_lane(deep: Pool, plan: str, statistics: str):
    if statistics == "fresh":
        await deep.fetch("analyze tasks")
        await deep.fetch("analyze sessions")
    found = await explained(deep, generic=plan == "generic")
    assert {node["Relation Name"] for node in found if node["Node Type"] == "Seq Scan"} <= {"workers"}
    indexes = {node.get("Index Name", "") for node in found}
    assert {name for name in indexes if name.startswith("tasks")} == {"tasks_claimable", "tasks_pkey"}
    first_look, picked = (node for node in found if node.get("Index Name") == "tasks_claimable")
    assert (first_look["Actual Loops"], first_look["Actual Rows"]) == (len(LANES), LIMIT)
    assert picked["Actual Loops"] * picked["Actual Rows"] == LIMIT
    # What is locked is what is claimed.
    (locked,) = (node for node in found if node["Node Type"] == "LockRows")
    assert locked["Actual Loops"] * locked["Actual Rows"] == LIMIT
    assert max(node["Actual Rows"] for node in found if node["Node Type"] == "Sort") <= LIMIT
    assert touched(found) <= LIMIT * PAGES_A_TASK + len(LANES) * PAGES_A_LANE


async def test_what_was_claimed_before_costs_nothing_although_no_vacuum_can_remove_it(deep: Pool, deep_queue: str):
    """As during a backup: an old snapshot keeps every index entry of what was claimed since."""
    backup = await connect(deep_queue)
    await backup.execute("begin isolation level repeatable read")
    await backup.fetch("select 1 from tasks limit 1")
    store, worker_id = PostgresTaskStore(deep), await worker(deep)
    highest = 0
    for _ in range(60):
        claimed = await store.claim(worker_id, LANES[:1], 100)
        highest = (await deep.fetch("select claimed_tag from lanes where lane = $1", LANES[0]))[0][0]
        if len(claimed) < 100:
            break
    stepped_over = await explained(deep, 1)
    from_the_front = await explained(deep, 1, begins=max(highest - MARGIN, 0))
    await backup.close()
    assert highest > 10 * MARGIN or len(claimed) < 100
    assert entries(from_the_front) <= 2 * (MARGIN + len(LANES))
    assert entries(stepped_over) > 2 * entries(from_the_front)


def entries(plan: list[dict[str, Any]]) -> int:
    """Index entries whose rows were looked at in vain."""
    return sum(node.get("Heap Fetches", 0) for node in plan if node.get("Index Name") == "tasks_claimable")


def test_a_claim_begins_at_the_very_front_once_a_second():
    now = 0.0
    front = QueueFront(lambda: now)
    assert front.begins(["a", "b"]) == [0, 0]
    front.claimed("a", 0, 5000)
    assert front.begins(["a", "b"]) == [0, 0]  # as it was seen at the last full look
    now = 1.0
    assert front.begins(["a", "b"]) == [0, 0]
    assert front.begins(["a", "b"]) == [5000 - MARGIN, 0]
    assert front.begins(["a", "c"]) == [0, 0]
    front.claimed("a", 9, 40)
    now = 2.0
    front.begins(["a"])
    assert front.begins(["a"]) == [0], "tags of one priority say nothing about those of another"


async def test_many_claims_at_once_share_the_queue(deep: Pool):
    store = PostgresTaskStore(deep)
    workers = [await worker(deep) for _ in range(8)]
    rounds = [await asyncio.gather(*(store.claim(each, LANES, LIMIT) for each in workers)) for _ in range(3)]
    claims: list[list[Claimed]] = [claimed for round_ in rounds for claimed in round_]
    counted = Counter(one.task.id for claimed in claims for one in claimed)
    assert set(counted.values()) == {1}
    # Nobody came away empty because others had locked what it saw first.
    assert [len(claimed) for claimed in claims] == [LIMIT] * len(claims)


async def test_tasks_that_others_have_locked_are_passed_over(deep: Pool, deep_queue: str):
    other = await connect(deep_queue)
    await other.execute("begin")
    locked = await other.fetch(
        "select id from tasks where lane = $1 and status = 'queued' order by fair_tag, id limit 100 for update",
        LANES[1],
    )
    claimed = await PostgresTaskStore(deep).claim(await worker(deep), [LANES[1]], LIMIT)
    await other.close()
    assert len(claimed) == LIMIT
    assert not {one.task.id for one in claimed} & {row[0] for row in locked}


async def test_a_newcomer_is_next(deep: Pool):
    store = PostgresTaskStore(deep)
    worker_id = await worker(deep)
    await store.claim(worker_id, LANES, 100)
    new = new_task(Principal("acme", "newcomer"), agent="agent 7")
    await store.submit([new])
    claimed: list[UUID] = []
    while new.id not in claimed:
        batch = await store.claim(worker_id, LANES, 100)
        assert batch, "it was never claimed"
        claimed += [one.task.id for one in batch]
    # Before it went what many claims at the same time had left of earlier turns, and this turn: nothing of later ones.
    later = "select count(*) from tasks where id = any($1) and fair_tag > (select fair_tag from tasks where id = $2)"
    assert (await deep.fetch(later, claimed[: claimed.index(new.id)], new.id))[0][0] == 0
