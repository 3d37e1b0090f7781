from roadworthy.domain.event import Event, EventKind, EventRecord, Position
from roadworthy.domain.ids import TaskId

POSITION = Position(1, 2)


def text_record(task_id: TaskId, number: int, text: str = "so ") -> EventRecord:
    return EventRecord(task_id, POSITION, POSITION, (Event(number, EventKind.TEXT, {"text": text}),))


def step_record(task_id: TaskId, number: int) -> EventRecord:
    after = Position(POSITION.journal + 1, POSITION.changes)
    return EventRecord(task_id, POSITION, after, (Event(number, EventKind.STEP, {"step": 1}),), text_end=number - 1)


def done_record(task_id: TaskId, number: int) -> EventRecord:
    after = Position(POSITION.journal, POSITION.changes + 1)
    return EventRecord(task_id, POSITION, after, (Event(number, EventKind.DONE, {"status": "succeeded"}),))


def numbers(records: list[EventRecord]) -> list[int]:
    return [record.number for record in records]
