"""`/v1/operator/budgets`, `/v1/operator/alerts` and `/v1/operator/charges`"""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from starlette.requests import Request
from starlette.routing import BaseRoute
from starlette.types import ASGIApp

from roadworthy.core.operations.correct_charge import read_correction
from roadworthy.domain.budget import ChargeState
from roadworthy.domain.errors import InvalidRequest
from roadworthy.domain.principal import Principal
from roadworthy.edges.http.body import json_object
from roadworthy.edges.http.budget_shown import alert_shown, charge_shown, limits_shown, standing_shown
from roadworthy.edges.http.dependencies import HttpDependencies
from roadworthy.edges.http.query import limit, only
from roadworthy.edges.http.resource import id_in_path, json, operated


class BudgetRoutes:
    """Money of all tenants, for operators."""

    def __init__(self, dependencies: HttpDependencies) -> None:
        self._budgets = dependencies.budgets
        self._correct_charge = dependencies.correct_charge
        self._authenticate = dependencies.authenticate

    def routes(self) -> Sequence[BaseRoute]:
        who = self._authenticate
        return (
            operated("/v1/operator/budgets", who, GET=self.budgets),
            operated("/v1/operator/alerts", who, GET=self.alerts),
            operated("/v1/operator/charges", who, GET=self.charges),
            operated("/v1/operator/charges/{id}/correct", who, POST=self.correct),
        )

    async def budgets(self, operator: Principal, request: Request) -> ASGIApp:
        only(request, "limit")
        standings = await self._budgets.standings(operator, limit(request))
        shown = [standing_shown(each) for each in standings]
        return json({"limits_usd": limits_shown(self._budgets.limits), "budgets": shown})

    async def alerts(self, operator: Principal, request: Request) -> ASGIApp:
        only(request, "limit")
        return json({"alerts": [alert_shown(each) for each in await self._budgets.alerts(operator, limit(request))]})

    async def charges(self, operator: Principal, request: Request) -> ASGIApp:
        only(request, "state", "task_id", "limit", "cursor")
        query = request.query_params
        state, task_id = _state(query.get("state")), _task_id(query.get("task_id"))
        page = await self._budgets.charges(operator, state, task_id, limit(request), query.get("cursor"))
        return json({"charges": [charge_shown(each) for each in page.items], "next_cursor": page.next_cursor})

    async def correct(self, operator: Principal, request: Request) -> ASGIApp:
        only(request)
        charge_id = id_in_path(request)
        correction = read_correction(await json_object(request))
        return json(charge_shown(await self._correct_charge.correct(operator, charge_id, correction)))


def _state(text: str | None) -> ChargeState | None:
    if text is None:
        return None
    if text not in ChargeState.__members__.values():
        raise InvalidRequest(f"state must be one of {', '.join(ChargeState)}, not {text!r}")
    return ChargeState(text)


def _task_id(text: str | None) -> UUID | None:
    try:
        return None if text is None else UUID(text)
    except ValueError:
        raise InvalidRequest(f"task_id must be a task's id, not {text!r}") from None
