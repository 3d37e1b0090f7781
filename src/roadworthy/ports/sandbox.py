"""Where code runs that a model wrote."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from roadworthy.domain.errors import SandboxFailed

MOST_NAME_BYTES, MOST_PATH_BYTES = 255, 1024
"""A file system takes no longer name of one file or folder, and a path is not there to hold anything."""


@dataclass(frozen=True, slots=True)
class SandboxLimits:
    """What one run may use. What is not listed it does not get."""

    seconds: float = 10
    """Of the wall clock."""
    cpu_seconds: float = 10
    memory_bytes: int = 256 * 1024 * 1024
    disk_bytes: int = 64 * 1024 * 1024
    output_bytes: int = 100_000
    """Of stdout and stderr each; what is more is cut."""
    processes: int = 16
    """Threads together with its first one; it may start no other process."""


class SandboxEnd(StrEnum):
    """Why the code is no longer running."""

    FINISHED = "finished"
    RAISED = "raised"
    """An exception of the code's own, or an exit code that is not 0."""
    OUT_OF_TIME = "out_of_time"
    OUT_OF_MEMORY = "out_of_memory"
    REFUSED = "refused"
    """It tried what it may not do, or uses what this sandbox does not know; `stderr` says what."""


@dataclass(frozen=True, slots=True)
class SandboxRun:
    """What became of some code."""

    end: SandboxEnd
    stdout: str = ""
    stderr: str = ""
    """What it wrote there, then in words why it ended, where that was not by itself."""
    result: str | None = None
    """`repr` of its last line, where that is an expression other than None."""
    seconds: float = 0.0
    files: Mapping[str, bytes] = field(default_factory=dict[str, bytes])
    """What it left in its working folder, by relative path, as far as it was asked for (`keep`)."""


class Sandbox(Protocol):
    """Each run has a working folder of its own, which is gone afterwards. Nothing of one run is seen by another."""

    @property
    def name(self) -> str: ...

    async def run(
        self,
        code: str,
        *,
        files: Mapping[str, bytes] | None = None,
        keep: Sequence[str] = (),
        limits: SandboxLimits | None = None,
    ) -> SandboxRun:
        """Run Python `code` with these files in its working folder; if it finishes, hand back those of `keep` that it
        leaves there.

        It has no network, and the environment of nobody. SandboxFailed where the sandbox itself can't, or a path is
        not one within the folder; whatever the code does ends in a SandboxRun. A run that is cancelled is ended, with
        all of its processes.
        """
        ...

    async def check(self) -> None:
        """SandboxFailed, saying what is missing on this machine, unless it would run code as promised."""
        ...

    async def close(self) -> None: ...


def checked_files(files: Iterable[str], keep: Iterable[str] = ()) -> None:
    """SandboxFailed unless each is a plain path within the working folder, and the files can lie there together."""
    laid_out = set(files)
    for name in (*laid_out, *keep):
        parts = name.split("/")
        if not name or "\0" in name or "\\" in name or any(part in ("", ".", "..") for part in parts):
            raise SandboxFailed(f"{name!r} is no path within the sandbox's folder, like `data/orders.csv`")
        # What is no text, like half of a surrogate pair, names no file.
        if name != (text := name.encode(errors="replace")).decode():
            raise SandboxFailed(f"{name!r} is no path within the sandbox's folder: it is no text")
        if len(text) > MOST_PATH_BYTES or max(len(part.encode()) for part in parts) > MOST_NAME_BYTES:
            raise SandboxFailed(
                f"`{name[:50]}…` is no path within the sandbox's folder: it may have {MOST_PATH_BYTES:,} bytes, and "
                f"each part of it {MOST_NAME_BYTES}"
            )
    for name in laid_out:
        for end, character in enumerate(name):
            if character == "/" and name[:end] in laid_out:
                raise SandboxFailed(f"{name!r} is no path within the sandbox's folder: {name[:end]!r} is a file of it")
