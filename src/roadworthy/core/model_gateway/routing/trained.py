"""A router that was trained: a file of weights, made by `roadworthy route train`."""

from __future__ import annotations

import json
import math
import sys
from array import array
from base64 import b64decode, b64encode
from binascii import Error as NotBase64
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from roadworthy.core.model_gateway.routing.features import SPACE, features_of
from roadworthy.domain.errors import RouterNotLoadable
from roadworthy.domain.route import RouteRequest, Tier

FORMAT = 1
ALWAYS, NEVER = -1e30, 1e30
"""Cuts that every score is above, or none. JSON has no infinity."""


class TrainedRouter:
    """A `Router`: logistic regression over hashed words and pairs of words, some 50 µs a decision.

    `TrainedRouter.load("router.json")` reads what `roadworthy route train` wrote.
    """

    def __init__(
        self, weights: Sequence[float], cuts: tuple[float, float], trained_on: Mapping[str, Any] | None = None
    ) -> None:
        # As the file keeps them, so that a router decides the same before it is saved and after.
        self._weights = tuple(array("f", weights))
        self.cuts = cuts
        """From which scores on a request is moderate, and complex."""
        self.trained_on: Mapping[str, Any] = trained_on or {}

    def route(self, request: RouteRequest) -> Tier:
        return self.tier_of(self.score(request.text))

    def tier_of(self, score: float) -> Tier:
        moderate_from, complex_from = self.cuts
        return "complex" if score >= complex_from else "moderate" if score >= moderate_from else "simple"

    def score(self, text: str) -> float:
        """How hard the request looks; only its order means anything."""
        return weighed(self._weights, features_of(text))

    @classmethod
    def load(cls, path: str | Path) -> TrainedRouter:
        """RouterNotLoadable, with what to do, for a file that is not there or was not made by this release's kind."""
        try:
            content = json.loads(Path(path).read_text("utf-8"))
        except FileNotFoundError:
            raise RouterNotLoadable(f"there is no file {path}; make it with `roadworthy route train`") from None
        except OSError as error:
            raise RouterNotLoadable(f"{path} can't be read: {error}") from error
        except ValueError:
            raise RouterNotLoadable(f"{path} is not JSON; make it anew with `roadworthy route train`") from None
        return cls._of(content, path)

    @classmethod
    def _of(cls, content: Any, path: str | Path) -> TrainedRouter:
        try:
            if content["format"] != FORMAT or content["space"] != SPACE:
                raise ValueError("another format")
            weights = array("f", b64decode(content["weights"], validate=True))
            first, second = (float(cut) for cut in content["cuts"])
            trained_on = dict(content["trained_on"])
        except (KeyError, TypeError, ValueError, NotBase64):
            raise RouterNotLoadable(
                f"{path} is no router of this release; make it anew with `roadworthy route train`"
            ) from None
        if sys.byteorder == "big":
            weights.byteswap()
        if len(weights) != SPACE or not all(map(math.isfinite, (*weights, first, second))) or first > second:
            raise RouterNotLoadable(f"{path} is damaged; make it anew with `roadworthy route train`")
        return cls(weights, (first, second), trained_on)

    def save(self, path: str | Path) -> None:
        """Whole or not at all: whoever reads meanwhile finds the old file."""
        weights = array("f", self._weights)
        if sys.byteorder == "big":
            weights.byteswap()
        content = {
            "format": FORMAT,
            "space": SPACE,
            "cuts": self.cuts,
            "trained_on": dict(self.trained_on),
            "weights": b64encode(weights.tobytes()).decode(),
        }
        path = Path(path)
        beside = path.with_name(f".{path.name}.new")
        try:
            beside.write_text(json.dumps(content, indent=1) + "\n", "utf-8")
            beside.replace(path)
        finally:
            beside.unlink(missing_ok=True)


def weighed(weights: Sequence[float], features: Sequence[int]) -> float:
    """Divided by the root of their number, so that long texts are no surer than short ones."""
    return sum([weights[one] for one in features]) / math.sqrt(len(features))
