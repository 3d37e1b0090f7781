"""Ids that sort by the time they were made (UUID version 7, RFC 9562 section 5.7)."""

import os
import time
from uuid import UUID

TaskId = UUID
SessionId = UUID


def new_id() -> UUID:
    """A UUIDv7: Unix milliseconds, 12 bits of a millisecond (section 6.2, method 3), 62 random bits.

    Ids of one process rise; nobody can guess one from another.
    """
    nanoseconds = time.time_ns()
    fraction = nanoseconds % 1_000_000 * 4096 // 1_000_000
    moment = nanoseconds // 1_000_000 << 16 | 0x7000 | fraction
    noise = int.from_bytes(os.urandom(8)) & (1 << 62) - 1
    return UUID(int=moment << 64 | 0b10 << 62 | noise)
