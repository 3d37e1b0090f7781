"""Why the store itself ends a task, in words. `%s` is filled in by the statement."""

from typing import Final

CANCELLED: Final = "cancelled"
INTERRUPTED: Final = "another message interrupted it"
LEASE_LOST: Final = "its worker was lost"
LEASE_LOST_TOO_OFTEN: Final = "failed %s times without progress; last: its worker was lost"
TOO_MANY_ATTEMPTS: Final = "it was started too often"
NO_WORKER: Final = "it waited longer than %s seconds for a worker"
NO_DECISION: Final = "it waited longer than %s seconds for a decision"
CONTINUED: Final = "continued by version "
MOVED: Final = "moved from version %s to version %s by %s"
SERVED_AGAIN: Final = "a worker of its version has started; the task is tried there once more"
