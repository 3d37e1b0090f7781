"""Routes by what a request looks like."""

from __future__ import annotations

from roadworthy.domain.route import RouteRequest, Tier


class RuleRouter:
    """A `Router`: the default."""

    def route(self, request: RouteRequest) -> Tier:
        length = len(request.text)
        return "simple" if length < 120 else "moderate" if length < 1500 else "complex"
