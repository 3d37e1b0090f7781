"""The promises, each as a function from the evidence to what contradicts it. No I/O."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise

from acceptance.http_api import durable, texts
from faults.evidence import Accepted, Entry, Evidence, Followed, StoredTask

ENDED = {"succeeded", "partial", "cancelled", "expired", "dead", "discarded"}
ONCE = {"charge"}
OCCUPYING = {"queued", "running", "waiting"}
LAST_GASP_SECONDS = 0.5
"""A process that was stopped between its last look at its lease and the call it was about to make, makes that call
when it goes on. Nothing but the callee can prevent that, so it is a promise only for `once` calls, which nobody else
makes in the meantime."""


def violations(evidence: Evidence) -> list[str]:
    """Every contradiction, in words; empty where the promises were kept."""
    return [f"{rule.__name__}: {what}" for rule in RULES for what in rule(evidence)]


def nothing_accepted_is_lost(evidence: Evidence) -> Iterator[str]:
    for accepted, task in _tasks(evidence):
        if task is None:
            yield f"{_named(accepted)} is not in the store"
        elif task.status not in ENDED:
            yield f"{_named(accepted)} did not end: it is {task.status}, {task.reason}"


def nothing_is_stored_that_nobody_asked_for(evidence: Evidence) -> Iterator[str]:
    """A request that was repeated until it was accepted is one task."""
    for id_ in evidence.stored.keys() - {accepted.id for accepted in evidence.accepted}:
        yield f"task {id_} was stored twice for one request"
    for id_, count in Counter(accepted.id for accepted in evidence.accepted).items():
        if count > 1:
            yield f"task {id_} answered {count} requests"


def every_task_ends_as_it_must(evidence: Evidence) -> Iterator[str]:
    """With the right answer; dead with the right error if it had to die; or given up by a person, who was asked
    because nobody can know whether a `once` call was made."""
    for accepted, task in _tasks(evidence):
        if task is None or task.status not in ENDED:
            continue
        expected = accepted.recipe.dead_with
        if task.status == "succeeded":
            if expected is not None:
                yield f"{_named(accepted)} succeeded and had to die with {expected}"
            elif task.output != accepted.recipe.answer:
                yield f"{_named(accepted)} answered {task.output!r}"
        elif not task.reason:
            yield f"{_named(accepted)} ended {task.status} without a reason"
        elif task.status == "dead" and expected is not None:
            if task.error_code != expected:
                yield f"{_named(accepted)} died with {task.error_code}, not with {expected}: {task.reason}"
        elif not (task.status == "cancelled" and _is_unknown(task)):
            yield f"{_named(accepted)} ended {task.status}: {task.reason}"


def a_finished_task_has_each_step_once(evidence: Evidence) -> Iterator[str]:
    for accepted, task in _tasks(evidence):
        if task is None:
            continue
        if [entry.sequence for entry in task.entries] != list(range(task.journal_length)):
            yield f"{_named(accepted)} has the entries {_numbers(task)} of {task.journal_length}"
        keys = Counter(entry.key for entry in task.entries)
        if repeated := [key for key, count in keys.items() if count > 1]:
            yield f"{_named(accepted)} has {repeated} more than once"
        if task.status != "succeeded":
            continue
        calls = accepted.recipe.calls
        kinds = Counter(entry.key[0] for entry in task.entries)
        once = sum(tool in ONCE for tool, _ in calls)
        expected = {"i": 1, "m": len(accepted.recipe.steps) + 1, "t": len(calls), "s": once}
        if kinds != Counter(expected):
            yield f"{_named(accepted)} has the entries {[entry.key for entry in task.entries]}"
        if task.model_calls != expected["m"]:
            yield f"{_named(accepted)} is billed {task.model_calls} model calls instead of {expected['m']}"


def one_attempt_at_a_time_writes(evidence: Evidence) -> Iterator[str]:
    """What was committed before a claim is of earlier attempts, what came after it of that attempt or later ones."""
    for task in evidence.stored.values():
        attempts = [change.attempt for change in task.changes if change.status == "running"]
        if attempts != list(range(1, task.attempt + 1)):
            yield f"task {task.id} was claimed as attempts {attempts}, and says {task.attempt}"
        for claim in (change for change in task.changes if change.status == "running"):
            for entry in task.entries:
                if (entry.sequence < claim.journal) is not (entry.attempt < claim.attempt):
                    yield (
                        f"task {task.id}: entry {entry.sequence} ({entry.key}) is of attempt {entry.attempt}, and "
                        f"attempt {claim.attempt} was claimed after {claim.journal} entries"
                    )


def a_once_call_is_made_once(evidence: Evidence) -> Iterator[str]:
    made = Counter((call.tool, call.task_id, call.item) for call in evidence.tool_calls if call.tool in ONCE)
    for (tool, task_id, item), count in made.items():
        if count > 1:
            yield f"task {task_id} called {tool} of {item} {count} times"


def nothing_finished_is_done_again(evidence: Evidence) -> Iterator[str]:
    committed = {
        (task.id, entry.result): entry.at
        for task in evidence.stored.values()
        for entry in task.entries
        if entry.result is not None
    }
    for call in evidence.tool_calls:
        result = f"{call.tool} of {call.item} is done"
        at = committed.get((call.task_id, result))
        if at is not None and call.at > at and not _is_last_gasp(evidence, call.at, call.pid):
            yield f"task {call.task_id} called {call.tool} of {call.item} {call.at - at:.3f} s after its result"
    replied = {
        (accepted.message, int(entry.key[1:]) - 1): entry.at
        for accepted, task in _tasks(evidence)
        if task is not None
        for entry in task.entries
        if entry.key.startswith("m")
    }
    for asked in evidence.model_calls:
        at = replied.get((asked.message, asked.turn))
        if at is not None and asked.at > at and not _is_last_gasp(evidence, asked.at):
            yield f"{asked.message!r} asked for turn {asked.turn} {asked.at - at:.3f} s after its reply was committed"


def every_call_belongs_to_an_attempt(evidence: Evidence) -> Iterator[str]:
    """An attempt makes each call once at most."""
    attempts = {accepted.message: task.attempt for accepted, task in _tasks(evidence) if task is not None}
    for (message, turn), count in Counter((call.message, call.turn) for call in evidence.model_calls).items():
        if count > attempts.get(message, 0):
            yield f"{message!r} asked {count} times for turn {turn} in {attempts.get(message)} attempts"
    calls = Counter((call.task_id, call.tool, call.item) for call in evidence.tool_calls)
    for (task_id, tool, item), count in calls.items():
        task = evidence.stored.get(task_id)
        if task is None or count > task.attempt:
            yield f"task {task_id} called {tool} of {item} {count} times in {task and task.attempt} attempts"


def one_task_of_a_session_at_a_time(evidence: Evidence) -> Iterator[str]:
    spans: dict[str, list[tuple[float, float, str]]] = defaultdict(list)
    for task in evidence.stored.values():
        entered = next((change.at for change in task.changes if change.status in OCCUPYING), None)
        if entered is not None:
            left = next((change.at for change in task.changes if change.status in ENDED), float("inf"))
            spans[task.session_id].append((entered, left, task.id))
    for session, found in spans.items():
        for (_, left, first), (entered, _, second) in pairwise(sorted(found)):
            if entered < left:
                yield f"session {session}: task {second} came in before task {first} had left"


def turns_are_whole_and_in_order(evidence: Evidence) -> Iterator[str]:
    """Every task that did something left one turn, in the order in which the messages were accepted."""
    for session, turns in evidence.turns.items():
        asked = [accepted.id for accepted in evidence.accepted if accepted.session_id == session]
        spoke = [id_ for id_ in asked if id_ in evidence.stored and evidence.stored[id_].status != "dead"]
        if list(turns) != [id_ for id_ in spoke if id_ in turns or evidence.stored[id_].status == "succeeded"]:
            yield f"session {session} has the turns {list(turns)}, was asked {asked}"


def clients_see_everything_once(evidence: Evidence) -> Iterator[str]:
    stored = evidence.stored
    for followed in evidence.followed:
        for what in _stream_violations(followed, stored.get(followed.task_id)):
            yield f"the client of task {followed.task_id} {what}"


def _stream_violations(followed: Followed, task: StoredTask | None) -> Iterator[str]:
    numbers = [event.id for event in followed.seen]
    if numbers != sorted(set(numbers)):
        yield "saw numbers that do not rise"
    if not followed.seen or followed.seen[-1].kind != "done":
        yield "was not told the end"
        return
    if sum(event.kind == "done" for event in followed.seen) > 1:
        yield "was told the end twice"
    seen, rebuilt = durable(followed.seen), durable(followed.rebuilt)
    if seen != rebuilt:
        yield f"missed {[e for e in rebuilt if e not in seen]} and saw {[e for e in seen if e not in rebuilt]}"
    # Text of a step that never came to its end is kept in the output, and in no step.
    if texts(followed.seen)[:-1] != texts(followed.rebuilt)[:-1]:
        yield f"saw the texts {texts(followed.seen)} instead of {texts(followed.rebuilt)}"
    done = followed.seen[-1].data
    if task is None or (done["status"], done.get("output")) != (task.status, task.output):
        yield f"was told {done}, the store says {task}"
    elif task.status == "succeeded" and task.output != texts(followed.seen)[-2]:
        yield f"saw {texts(followed.seen)[-2]!r} instead of {task.output!r}"


RULES: tuple[Callable[[Evidence], Iterator[str]], ...] = (
    nothing_accepted_is_lost,
    nothing_is_stored_that_nobody_asked_for,
    every_task_ends_as_it_must,
    a_finished_task_has_each_step_once,
    one_attempt_at_a_time_writes,
    a_once_call_is_made_once,
    nothing_finished_is_done_again,
    every_call_belongs_to_an_attempt,
    one_task_of_a_session_at_a_time,
    turns_are_whole_and_in_order,
    clients_see_everything_once,
)


def _tasks(evidence: Evidence) -> Iterator[tuple[Accepted, StoredTask | None]]:
    for accepted in evidence.accepted:
        yield accepted, evidence.stored.get(accepted.id)


def _named(accepted: Accepted) -> str:
    return f"task {accepted.id} ({accepted.agent}, {accepted.message!r})"


def _numbers(task: StoredTask) -> list[int]:
    return [entry.sequence for entry in task.entries]


def _is_unknown(task: StoredTask) -> bool:
    """Whether a person was asked about a `once` call that was started and has no result."""
    asked = any(
        change.status == "waiting" and "must happen only once" in (change.reason or "") for change in task.changes
    )
    return asked and bool(_started(task.entries) - _came_back(task.entries))


def _started(entries: Sequence[Entry]) -> set[str]:
    return {entry.key[1:] for entry in entries if entry.key.startswith("s")}


def _came_back(entries: Sequence[Entry]) -> set[str]:
    return {entry.key[1:] for entry in entries if entry.key.startswith("t")}


def _is_last_gasp(evidence: Evidence, at: float, pid: int | None = None) -> bool:
    woken = [moment for number, moment in evidence.woken if pid in (None, number)]
    return any(0 <= at - moment < LAST_GASP_SECONDS for moment in woken)
