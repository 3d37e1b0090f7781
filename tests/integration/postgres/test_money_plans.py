"""No statement about money reads more of a table than it must, whether it was planned while there was nothing in it or
after months. A plan is made once for each connection, and then kept."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import asyncpg
import pytest

from roadworthy.adapters.postgres import migrate
from roadworthy.adapters.postgres.queries import load_queries

AS_PRODUCTS_CONNECT = {"plan_cache_mode": "force_generic_plan", "enable_seqscan": "off", "jit": "off"}
MONTHS = """
    insert into budgets (window_start, scope, tenant, owner, given, spent)
    select today_utc() - n % 20, 'user_day', 't' || n % 50, 'u' || n, 900, 700 from generate_series(1, 10000) n;
    insert into budget_slices (holder, day, scope, tenant, owner, amount, spent, number)
    select
        ('00000000-0000-7000-8000-' || lpad((n % 9)::text, 12, '0'))::uuid,
        today_utc() - n % 20, 'user_day', 't' || n % 50, 'u' || n, 900, 700, 1
    from generate_series(1, 10000) n;
    insert into charges (
        id, task_id, attempt, generation, key, tenant, owner, agent, version, model, holder, day, budgeted, estimate,
        cost, state, at
    )
    select
        ('01a206c0-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid,
        ('01a206c0-0000-7000-8000-' || lpad(to_hex(n / 5), 12, '0'))::uuid,
        1, 0, 'm1', 't' || n % 50, 'u' || n % 20000, 'support', '1', 'a-model',
        ('00000000-0000-7000-8000-' || lpad((n % 9)::text, 12, '0'))::uuid,
        today_utc() - n % 20, true, 100, 80,
        case when n % 10 = 0 then 'uncertain' when n % 5000 = 1 then 'open' else 'settled' end, now()
    from generate_series(1, 30000) n;
    analyze budgets, budget_slices, charges;
"""
NARROW = {
    "tasks": ("id", "worker_id"),
    "charges": ("id", "task_id", "owner", "holder", "day", "state"),
    "budget_slices": ("owner", "holder = ended", "holder = judged", "holder = overdue", "holder > h"),
    "budgets": ("owner", "scope = l", "wanted_until"),
    "budget_alerts": ("owner",),
}
"""A condition that an index is asked for must have one of these."""
ALL_IN_ORDER = {
    ("alerts", "budget_alerts_newest"),
    ("charges", "charges_pkey"),
    ("lock_ended_slices", "budget_slices_open"),
}
"""Read from the end of an index, and no further than a page or the first row."""


@pytest.mark.parametrize("filled", [False, True], ids=["while empty", "after months"])
async def test_every_statement_looks_up_what_it_needs(empty_url: str, filled: bool):
    await migrate(empty_url)
    connection = await asyncpg.connect(empty_url, server_settings=AS_PRODUCTS_CONNECT)
    if filled:
        await connection.execute(MONTHS, timeout=60)
    wide = [
        f"{name}: {scan}"
        for name, query in statements().items()
        for scan in scans(await plan(connection, name, query))
        if not is_narrow(name, scan)
    ]
    await connection.close()
    assert wide == []


def statements() -> Mapping[str, str]:
    found: dict[str, str] = {}
    for folder in ("budget_ledger", "budget_accounts"):
        found |= load_queries(folder)
    found |= {f"uncertain {name}": query for name, query in load_queries("uncertain_charges").items()}
    journal = load_queries("journal")
    return found | {"append": journal["append"].replace("{settled_charges}", journal["settled_charges"])}


async def plan(connection: Any, name: str, query: str) -> dict[str, Any]:
    prepared = await connection.prepare(query)
    nulls = ", ".join(["null"] * len(prepared.get_parameters()))
    statement = f'"{name}"'
    await connection.execute(f"prepare {statement} as {query}")
    explained = await connection.fetchval(f"explain (format json) execute {statement}{f'({nulls})' if nulls else ''}")
    return json.loads(explained)[0]["Plan"]


def scans(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """What reads a table of ours; a bitmap's conditions are those of the index below it."""
    if node.get("Relation Name") in NARROW and "Scan" in node["Node Type"]:
        index = node["Plans"][0] if node["Node Type"] == "Bitmap Heap Scan" else node
        yield {
            "table": node["Relation Name"],
            "index": index.get("Index Name"),
            "condition": index.get("Index Cond", ""),
        }
    for child in node.get("Plans", ()):
        yield from scans(child)


def is_narrow(name: str, scan: dict[str, Any]) -> bool:
    if not scan["condition"]:
        return (name, scan["index"]) in ALL_IN_ORDER
    return any(column in scan["condition"] for column in NARROW[scan["table"]])
