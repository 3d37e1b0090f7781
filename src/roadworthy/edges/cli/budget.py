"""`roadworthy budget …`: what each command asks the server, and its exit code."""

from __future__ import annotations

from uuid import UUID

from roadworthy.domain.money import dollars, micro_dollars
from roadworthy.edges.cli.budget_screen import alert_lines, charge_lines, corrected_lines, standing_lines
from roadworthy.edges.cli.operator_client import OperatorClient
from roadworthy.edges.cli.operator_command import DONE, UsageWrong, print_answer


async def show_standings(client: OperatorClient, limit: int, as_json: bool, url: str | None = None) -> int:
    answer = await client.get("/v1/operator/budgets", {"limit": str(limit)})
    print_answer(answer, as_json, lambda answer: standing_lines(answer, url))
    return DONE


async def show_charges(
    client: OperatorClient,
    state: str | None,
    task_id: str | None,
    limit: int,
    cursor: str | None,
    as_json: bool,
    url: str | None = None,
) -> int:
    query = {"limit": str(limit)} | ({"state": state} if state else {}) | ({"cursor": cursor} if cursor else {})
    if task_id is not None:
        query["task_id"] = _id(task_id, "task")
    page = await client.get("/v1/operator/charges", query)
    print_answer(page, as_json, lambda page: charge_lines(page, url))
    return DONE


async def correct_charge(client: OperatorClient, charge_id: str, cost: str, note: str | None, as_json: bool) -> int:
    body = {"cost_usd": _cost(cost)} | ({"note": note} if note else {})
    charge = await client.post(f"/v1/operator/charges/{_id(charge_id, 'charge')}/correct", body)
    print_answer(charge, as_json, corrected_lines)
    return DONE


async def show_alerts(client: OperatorClient, limit: int, as_json: bool) -> int:
    print_answer(await client.get("/v1/operator/alerts", {"limit": str(limit)}), as_json, alert_lines)
    return DONE


def _id(text: str, what: str) -> str:
    try:
        return str(UUID(text))
    except ValueError:
        raise UsageWrong(f"{text!r} is no {what}'s id; `roadworthy budget charges` shows them") from None


def _cost(text: str) -> str:
    try:
        return dollars(micro_dollars(text.removeprefix("$")))
    except (ValueError, ArithmeticError):
        raise UsageWrong(f"--cost {text!r} is no amount in dollars; write it like 0.0123") from None
