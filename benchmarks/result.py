"""One figure of a benchmark, and the file that keeps all of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import orjson


@dataclass(frozen=True, slots=True)
class Result:
    """`reference` is the bare reference's figure in the same run; `met` is None where there is no target."""

    name: str
    value: float
    unit: str
    reference: float | None = None
    target: float | None = None
    met: bool | None = None

    @classmethod
    def at_least(cls, name: str, value: float, unit: str, target: float, reference: float | None = None) -> Result:
        return cls(name, value, unit, reference, target, value >= target)

    @classmethod
    def at_most(cls, name: str, value: float, unit: str, target: float, reference: float | None = None) -> Result:
        return cls(name, value, unit, reference, target, value <= target)


def write_results(path: Path, results: Sequence[Result]) -> None:
    """A JSON list of `{name, value, unit, reference, target, met}`; the folder is made where it is missing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(orjson.dumps([asdict(result) for result in results], option=orjson.OPT_INDENT_2) + b"\n")
