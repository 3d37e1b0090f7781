"""How attempts end: together in one statement, or in a transaction where the session's next task is released too."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from roadworthy.adapters.postgres import reasons, rows
from roadworthy.adapters.postgres.failures import NotAccepted
from roadworthy.adapters.postgres.pool import Pool, Transaction
from roadworthy.adapters.postgres.session_wall import SessionWall, sessions_of
from roadworthy.domain.event import MAX_ATTEMPTS
from roadworthy.domain.ids import SessionId, TaskId
from roadworthy.domain.task import OCCUPYING, Settlement, Task, TaskStatus
from roadworthy.ports.task_store import Settled, SettleRefused

_Outcomes = dict[tuple[TaskId, int], Settled]


class Settling:
    def __init__(self, pool: Pool, queries: Mapping[str, str], wall: SessionWall) -> None:
        self._pool = pool
        self._queries = queries
        self._wall = wall

    async def settle(self, settlements: Sequence[Settlement]) -> list[Settled | SettleRefused]:
        try:
            return await self._settle_all(settlements)
        except NotAccepted as problem:
            if len(settlements) == 1:
                return await self._settle_all([_without_what_is_not_accepted(settlements[0], problem)])
            # One bad value fails the whole statement; alone it fails alone.
            return [(await self.settle([settlement]))[0] for settlement in settlements]

    async def _settle_all(self, settlements: Sequence[Settlement]) -> list[Settled | SettleRefused]:
        outcomes: _Outcomes = {}
        # What goes back to the queue needs a new place there: never alone in its statement.
        simple = [settlement for settlement in settlements if settlement.status is not TaskStatus.QUEUED]
        for task in await self._settle(self._pool, _once_each(simple), only_without_blocked=True):
            outcomes[task.id, task.attempt] = Settled(task)
        rest = [settlement for settlement in settlements if _attempt(settlement) not in outcomes]
        if rest:
            outcomes.update(await self._settle_and_release(_once_each(rest)))
        rest = [settlement for settlement in rest if _attempt(settlement) not in outcomes]
        if rest:
            outcomes.update(await self._find_settled_before(rest))
        return [outcomes.get(_attempt(settlement), SettleRefused()) for settlement in settlements]

    async def _settle_and_release(self, settlements: Sequence[Settlement]) -> _Outcomes:
        async with self._pool.transaction() as transaction:
            settled = await self._settle(transaction, settlements, only_without_blocked=False)
            left = sessions_of(task for task in settled if task.status not in OCCUPYING)
            released = await self._wall.release_next(transaction, left, settled)
        next_of: dict[SessionId, Task] = {task.session_id: task for task in released}
        return {(task.id, task.attempt): Settled(task, next_of.get(task.session_id)) for task in settled}

    async def _find_settled_before(self, settlements: Sequence[Settlement]) -> _Outcomes:
        """Those whose acknowledgement was lost. In a statement of its own: only that sees what came meanwhile."""
        fences = [settlement.fence for settlement in settlements]
        found = await self._pool.fetch(
            self._queries["settled_before"],
            [fence.task_id for fence in fences],
            [fence.attempt for fence in fences],
            [fence.claim_token for fence in fences],
        )
        settled = [rows.task(row) for row in found]
        ended = [task for task in settled if task.status not in OCCUPYING]
        next_of: dict[SessionId, Task] = {}
        if ended:
            released = await self._pool.fetch(self._queries["released_before"], sessions_of(ended))
            next_of = {task.session_id: task for task in map(rows.task, released)}
        return {(task.id, task.attempt): Settled(task, next_of.get(task.session_id)) for task in settled}

    async def _settle(
        self, connection: Pool | Transaction, settlements: Sequence[Settlement], *, only_without_blocked: bool
    ) -> list[Task]:
        if not settlements:
            return []
        columns = zip(*map(_values, settlements), strict=True)
        found = await connection.fetch(
            self._queries["settle"],
            *map(list, columns),
            only_without_blocked,
            MAX_ATTEMPTS,
            reasons.CANCELLED,
            reasons.TOO_MANY_ATTEMPTS,
            reasons.INTERRUPTED,
            reasons.DECIDED_MEANWHILE,
        )
        return [rows.task(row) for row in found]


def _without_what_is_not_accepted(settlement: Settlement, problem: NotAccepted) -> Settlement:
    """The task must end where somebody can see it, even if its result can't be kept."""
    reason = f"its result can't be stored: {problem}"
    error = rows.json_text({"code": "not_storable", "message": reason}).encode()
    return Settlement(
        settlement.fence,
        settlement.session_id,
        TaskStatus.DEAD,
        reason,
        error=error,
        usage=settlement.usage,
        running_seconds=settlement.running_seconds,
    )


def _attempt(settlement: Settlement) -> tuple[TaskId, int]:
    return settlement.fence.task_id, settlement.fence.attempt


def _once_each(settlements: Iterable[Settlement]) -> list[Settlement]:
    return list({_attempt(settlement): settlement for settlement in settlements}.values())


def _values(settlement: Settlement) -> tuple[object, ...]:
    """In the order of the parameters of `settle.sql`."""
    fence, turn = settlement.fence, settlement.turn
    return (
        fence.task_id,
        settlement.session_id,
        fence.attempt,
        fence.claim_token,
        settlement.status.value,
        rows.storable(settlement.reason),
        settlement.output,
        settlement.error,
        settlement.usage and rows.json_text(settlement.usage),
        settlement.run_after_seconds,
        settlement.counts_as_failure,
        settlement.running_seconds,
        turn and turn.framework,
        turn and turn.payload,
        settlement.tier,
        settlement.session_tier,
    )
