"""The answer so far of a task that the store itself ends: no worker is there to say what it was.

Not in SQL, because a model's text may hold what jsonb can't.
"""

from __future__ import annotations

from collections.abc import Sequence

import orjson

from roadworthy.adapters.postgres import rows
from roadworthy.adapters.postgres.pool import Transaction
from roadworthy.adapters.postgres.queries import load_queries
from roadworthy.domain.ids import TaskId
from roadworthy.domain.journal import generation_of, text_of
from roadworthy.domain.task import LIFE_ENDS, Task


class PartialOutput:
    def __init__(self) -> None:
        self._queries = load_queries("partial_output")

    async def keep(self, transaction: Transaction, changed: Sequence[Task]) -> list[Task]:
        """The tasks as they are now: of those that ended without an output, with the last text of their journal."""
        ended = {
            task.id: task
            for task in changed
            if task.status in LIFE_ENDS and task.output is None and task.journal_length
        }
        if not ended:
            return list(changed)
        texts: dict[TaskId, str] = {}
        for row in await transaction.fetch(self._queries["model_entries"], list(ended)):
            of_this_generation = generation_of(row[1]) == ended[row[0]].generation
            if row[0] not in texts and of_this_generation and (text := text_of(orjson.loads(row[2]))):
                texts[row[0]] = text
        outputs = [orjson.dumps(text) for text in texts.values()]
        if not texts:
            return list(changed)
        kept = await transaction.fetch(self._queries["keep"], list(texts), outputs)
        now = {task.id: task for task in map(rows.task, kept)}
        return [now.get(task.id, task) for task in changed]
