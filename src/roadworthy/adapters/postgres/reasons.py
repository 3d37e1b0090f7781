"""Why the store itself ends a task, in words. `%s` is filled in by the statement."""

from typing import Final

from roadworthy.domain.failure_class import FailureClass

CANCELLED: Final = "cancelled"
INTERRUPTED: Final = "a newer message of its session interrupted it"
LEASE_LOST: Final = "its worker was lost"
LEASE_LOST_TOO_OFTEN: Final = (
    f"failed %s times without progress; last: its worker was lost; {FailureClass.LEASE_LOST.treatment.advice}"
)
TOO_MANY_ATTEMPTS: Final = "it was started too often"
NO_WORKER: Final = (
    "it waited longer than %s seconds for a worker; see that workers of its version run and have free slots, "
    "or raise limits.queue_seconds"
)
NO_TURN: Final = (
    "it waited longer than %s seconds for its turn in the session; send it again once the session is free, "
    "or raise limits.queue_seconds"
)
_UNDECIDED: Final = "a call that waited for approval was not made, one that was started may have happened"
NO_DECISION: Final = (
    f"it waited longer than %s seconds for a decision; {_UNDECIDED}: look at its steps before you send it "
    "again, or raise limits.waiting_seconds"
)
_RESUMED_IN_VAIN: Final = f"; {FailureClass.WAITED_TOO_LONG.treatment.advice}"
RESUMED_NO_WORKER: Final = f"it was resumed, and then no worker took it within %s seconds{_RESUMED_IN_VAIN}"
RESUMED_NO_TURN: Final = (
    "it was resumed, and then its turn in the session did not come within %s seconds; resume it again once the "
    "session is free"
)
RESUMED_NO_DECISION: Final = (
    f"it was resumed, and then nobody decided within %s seconds; {_UNDECIDED}: look at its steps before you resume it "
    "again"
)
DECIDED_MEANWHILE: Final = "somebody decided about one of its calls before it could wait"
CONTINUED: Final = "continued by version "
MOVED: Final = "moved from version %s to version %s by %s"
SERVED_AGAIN: Final = "a worker of its version has started; the task is tried there once more"
