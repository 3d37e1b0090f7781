"""Looking for parked tasks costs the same however many others wait."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from roadworthy.adapters.postgres import Pool
from roadworthy.adapters.postgres.queries import load_queries
from roadworthy.domain.event import MAX_ATTEMPTS
from roadworthy.testing.conformance.decisions import wait_for_decision
from roadworthy.testing.conformance.lanes import OPERATOR, park_for_mismatch
from roadworthy.testing.conformance.scenario import LANE, claim_one, register, submit_one
from roadworthy.testing.conformance.stores import Stores

from .deep_queue import LANES, fill
from .other_connection import OtherConnection

WAITING = """
    update tasks set
        status = 'waiting',
        error = $1,
        attempt = 1,
        changes = changes || format('[[1, "running", null, %s], [2, "waiting", null, %s]]', $2::float8, 1)::jsonb
"""
LATER = 4e9


@pytest.mark.parametrize(
    ("code", "claimed_at"), [("effect_unknown", 1.0), ("journal_mismatch", LATER)], ids=["for a person", "tried before"]
)
async def test_tasks_that_wait_for_something_else_are_not_looked_at(
    stores: Stores, other: OtherConnection, pool: Pool, code: str, claimed_at: float
):
    await register(stores, lanes=LANES)
    await fill(other.connection, 3000)
    await other.connection.execute(WAITING, json.dumps({"code": code, "message": ""}).encode(), claimed_at)
    query = f"explain (analyze, format json) {load_queries('lanes')['release_parked_tasks']}"
    (row,) = await pool.fetch(query, MAX_ATTEMPTS, "reason", 200)
    plan = list(_nodes(json.loads(row[0])[0]["Plan"]))
    assert {node["Actual Rows"] for node in plan if node.get("Relation Name") == "tasks"} == {0}
    assert sum(node.get("Rows Removed by Filter", 0) for node in plan) == 0
    assert "tasks_parked" in {node.get("Index Name") for node in plan}


async def test_who_lists_what_waits_for_people_looks_at_no_parked_task(
    stores: Stores, other: OtherConnection, pool: Pool
):
    await fill(other.connection, 3000)
    await other.connection.execute(WAITING, json.dumps({"code": "journal_mismatch", "message": ""}).encode(), 1.0)
    waiting = await wait_for_decision(stores)
    (row,) = await pool.fetch(f"explain (analyze, format json) {load_queries('decisions')['waiting']}", None, 50)
    plan = list(_nodes(json.loads(row[0])[0]["Plan"]))
    assert {node["Actual Rows"] for node in plan if node.get("Relation Name") == "tasks"} == {1}
    assert sum(node.get("Rows Removed by Filter", 0) for node in plan) == 0
    assert "tasks_undecided" in {node.get("Index Name") for node in plan}
    assert list(await stores.decisions.waiting(OPERATOR)) == [waiting]


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for inner in plan.get("Plans", ()):
        yield from _nodes(inner)


async def test_one_that_was_started_as_often_as_a_task_may_be_goes_on_waiting(stores: Stores, other: OtherConnection):
    await submit_one(stores)
    await other.connection.execute("update tasks set attempt = $1", MAX_ATTEMPTS - 1)
    claimed = await claim_one(stores)
    await stores.pass_time(0.01)
    await register(stores)
    await park_for_mismatch(stores, claimed)
    assert await stores.lanes.release_parked_tasks(10) == []
    assert await stores.lanes.move(OPERATOR, LANE, "2", 10, parked=True) == []
