"""What the trials measured, as a table and as `build/faults.json`."""

from __future__ import annotations

import json
import math
import re
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from faults.trial import Outcome

_ROUND = re.compile(r"\[round \d+\]|-round \d+|round \d+-")
FILE = Path(__file__).parents[2] / "build" / "faults.json"


class Report:
    def __init__(self, long: bool) -> None:
        self.long = long
        self._started = time.monotonic()
        self._outcomes: dict[str, list[Outcome]] = defaultdict(list)

    def add(self, test: str, outcome: Outcome | None) -> str:
        """One line about it."""
        if outcome is None:
            return f"{test}: not judged"
        self._outcomes[_ROUND.sub("", test)].append(outcome)
        return _line(outcome.fault, [outcome])

    def close(self) -> Iterator[str]:
        """Write the file; the lines of the table."""
        if not self.long or not self._outcomes:
            return
        FILE.parent.mkdir(exist_ok=True)
        content = {test: [outcome.as_json() for outcome in outcomes] for test, outcomes in self._outcomes.items()}
        FILE.write_text(json.dumps(content, indent=1))
        yield ""
        yield f"{'fault':60} runs tasks  hit median    p99  worst again asked refused"
        for outcomes in self._outcomes.values():
            yield _line(outcomes[0].fault, outcomes)
        seconds = time.monotonic() - self._started
        yield f"{sum(len(each) for each in self._outcomes.values())} faults in {seconds:.0f} s; see {FILE}"


def _line(fault: str, outcomes: list[Outcome]) -> str:
    seconds = sorted(second for outcome in outcomes for second in outcome.seconds)
    return (
        f"{fault[:60]:60} {len(outcomes):4} {sum(o.tasks for o in outcomes):5} {sum(o.affected for o in outcomes):4} "
        f"{_quantile(seconds, 0.5)} {_quantile(seconds, 0.99)} {_quantile(seconds, 1)} "
        f"{sum(o.repeated_calls for o in outcomes):5} {sum(o.gave_up for o in outcomes):5} "
        f"{sum(o.refused for o in outcomes):7}"
    )


def _quantile(rising: list[float], part: float) -> str:
    if not rising:
        return "     –"
    return f"{rising[max(math.ceil(part * len(rising)) - 1, 0)]:5.1f}s"
