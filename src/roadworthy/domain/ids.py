"""Ids that sort by the time they were made (UUID version 7, RFC 9562 section 5.7)."""

import os
import time
from uuid import UUID

TaskId = UUID
SessionId = UUID


def new_id() -> UUID:
    """A UUIDv7: 48 bits of Unix milliseconds, then randomness; nobody can guess another one from it."""
    milliseconds = time.time_ns() // 1_000_000
    noise = int.from_bytes(os.urandom(10))
    value = (milliseconds & 0xFFFF_FFFF_FFFF) << 80 | noise
    value = value & ~(0xF << 76) | 0x7 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    return UUID(int=value)
