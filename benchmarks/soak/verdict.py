"""What was promised, each as a question to the store or to the tools whose answer must be empty."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from benchmarks.soak.clients import Accepted
from benchmarks.soak.kinds import RULES

MOST_SHOWN = 5

_NOTHING = {
    "a task has not ended": """
        select id, status, reason from tasks where status in ('blocked', 'queued', 'running', 'waiting')
    """,
    "a journal has a gap": """
        select t.id, t.journal_length, count(e.sequence) from tasks t left join journal_entries e on e.task_id = t.id
        group by t.id having count(e.sequence) <> t.journal_length or max(e.sequence) <> t.journal_length - 1
    """,
    "a journal has a step twice": """
        select task_id, key from journal_entries group by task_id, key having count(*) > 1
    """,
    "an entry is of a later attempt than one that follows it": """
        select a.task_id from journal_entries a join journal_entries b
            on b.task_id = a.task_id and b.sequence = a.sequence + 1
        where b.attempt < a.attempt
    """,
    "a session is stuck": """
        select s.id from sessions s where s.has_blocked or (s.busy and not exists (
            select from tasks t where t.session_id = s.id and t.status in ('queued', 'running', 'waiting')))
    """,
    "a session's turns have a gap, or a task has two": """
        select s.id, s.turns, count(u.position) from sessions s left join turns u on u.session_id = s.id
        group by s.id having count(u.position) <> s.turns or count(distinct u.task_id) <> s.turns
    """,
    "a succeeded task left no turn": """
        select t.id from tasks t where t.status = 'succeeded' and not exists (
            select from turns u where u.session_id = t.session_id and u.task_id = t.id)
    """,
    "turns are in another order than their tasks ran": """
        select a.session_id, a.position from turns a join turns b
            on b.session_id = a.session_id and b.position = a.position + 1
        join tasks ta on ta.id = a.task_id join tasks tb on tb.id = b.task_id
        where ta.ended_at > tb.ended_at
    """,
    "two tasks of a session were there at the same time": """
        select a.session_id from tasks a join tasks b on b.session_id = a.session_id and b.id > a.id
        where a.started_at < b.started_at and a.ended_at > b.started_at
            and a.session_id in (select session_id from tasks group by session_id having count(*) > 1)
    """,
}
_TASKS = (
    "select id::text, status, exists (select from jsonb_array_elements(changes) c where c ->> 1 = 'waiting') from tasks"
)


async def broken_promises(connection: Any, valkey: Any, accepted: Accepted, calls: Path) -> AsyncIterator[str]:
    for what, query in _NOTHING.items():
        if found := await connection.fetch(query):
            yield f"{what}: {len(found)} times, like {[tuple(row) for row in found[:MOST_SHOWN]]}"
    stored = {row[0]: (row[1], row[2]) for row in await connection.fetch(_TASKS)}
    for what in wrong_ends_and_effects(accepted, stored, calls):
        yield what
    async for key in valkey.scan_iter("roadworthy:tickets:*"):
        yield f"a ticket was left behind: {key}"


def wrong_ends_and_effects(accepted: Accepted, stored: dict[str, tuple[str, bool]], calls: Path) -> list[str]:
    """`stored` has the status of each task, and whether it has ever waited for a person."""
    return [
        *_lost_or_doubled(accepted, stored),
        *_wrong_ends(accepted, stored),
        *_effects(accepted, stored, calls),
    ]


def _lost_or_doubled(accepted: Accepted, stored: dict[str, tuple[str, bool]]) -> list[str]:
    lost, doubled = accepted.kinds.keys() - stored.keys(), stored.keys() - accepted.kinds.keys()
    return [
        f"{len(ids)} tasks {what}, like {sorted(ids)[:MOST_SHOWN]}"
        for ids, what in ((lost, "were lost"), (doubled, "were stored for requests that have another task"))
        if ids
    ]


def _wrong_ends(accepted: Accepted, stored: dict[str, tuple[str, bool]]) -> list[str]:
    wrong: Counter[tuple[str, str]] = Counter()
    for id_, kind in accepted.kinds.items():
        if id_ not in stored:
            continue
        status, waited = stored[id_]
        given_up = status == "cancelled" and waited and RULES[kind].charges
        if status not in RULES[kind].ends and not given_up:
            wrong[kind, status] += 1
    return [f"{count} {kind} tasks ended {status}" for (kind, status), count in wrong.items()]


def _effects(accepted: Accepted, stored: dict[str, tuple[str, bool]], calls: Path) -> list[str]:
    made = Counter(tuple(line.split()[:2]) for line in calls.read_text().splitlines())
    problems: list[str] = []
    twice = [key for key, count in made.items() if key[0] == "charge" and count > 1]
    if twice:
        problems.append(f"{len(twice)} charges were made more than once, like {twice[:MOST_SHOWN]}")
    charging = [id_ for id_, kind in accepted.kinds.items() if RULES[kind].charges]
    if missing := [id_ for id_ in charging if stored.get(id_, ("",))[0] == "succeeded" and not made["charge", id_]]:
        problems.append(f"{len(missing)} tasks succeeded without their charge, like {missing[:MOST_SHOWN]}")
    return problems
