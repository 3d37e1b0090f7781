"""Where a chat shows what it is told: a terminal, or plain text for other programs."""

from __future__ import annotations

import sys
from typing import Protocol, TextIO

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from roadworthy.edges.cli.steering import without_steering

_MOST_OF_A_NOTE = 200


class Screen(Protocol):
    def text(self, piece: str, thinking: bool) -> None:
        """Text of the step under way, as it comes."""
        ...

    def restart(self) -> None:
        """The text of this step so far does not count."""
        ...

    def step_ended(self) -> None:
        """The text of this step is complete."""
        ...

    def note(self, line: str) -> None:
        """Something beside the answer: a tool, a delay."""
        ...

    def question(self, line: str) -> None:
        """A line that a person decides by: never cut."""
        ...

    def error(self, line: str) -> None: ...


class PlainScreen:
    """Answers on `out`, a step at a time so that nothing has to be taken back; errors on `errors`."""

    def __init__(self, out: TextIO | None = None, errors: TextIO | None = None) -> None:
        self._out = out or sys.stdout
        self._errors = errors or sys.stderr
        self._pieces: list[str] = []

    def text(self, piece: str, thinking: bool) -> None:
        if not thinking:
            self._pieces.append(piece)

    def restart(self) -> None:
        self._pieces.clear()

    def step_ended(self) -> None:
        text = without_steering("".join(self._pieces)).strip()
        self._pieces.clear()
        if text:
            print(text, file=self._out, flush=True)

    def note(self, line: str) -> None:
        """Nobody is looking."""

    def question(self, line: str) -> None:
        """As `note`."""

    def error(self, line: str) -> None:
        print(without_steering(line), file=self._errors, flush=True)


class TerminalScreen:
    """Text as it streams; what is beside the answer in dim lines."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(highlight=False, soft_wrap=True)
        self._shown = ""
        self._thinking = False
        self._scrolled = False
        """Text of this step stands above a note and can't be cleared any more."""

    def text(self, piece: str, thinking: bool) -> None:
        piece = without_steering(piece)
        if self._shown and thinking is not self._thinking:
            piece = f"\n{piece}"
        self._thinking = thinking
        self._shown += piece
        self._console.print(Text(piece, style="dim italic" if thinking else ""), end="")
        self._console.file.flush()

    def restart(self) -> None:
        width, height = self._console.size
        rows = sum(max(cell_len(line) - 1, 0) // width + 1 for line in self._shown.expandtabs(8).split("\n"))
        if self._scrolled or rows >= height:
            self.note("that broke off; once more from the start:")
            self._scrolled = False
            return
        if not self._shown:
            return
        self._shown = ""
        up = f"\x1b[{rows - 1}A" if rows > 1 else ""
        self._console.file.write(f"\r{up}\x1b[J")
        self._console.file.flush()

    def step_ended(self) -> None:
        self._new_line()
        self._scrolled = False

    def _new_line(self) -> None:
        if self._shown and not self._shown.endswith("\n"):
            self._console.print()
        self._shown = ""

    def note(self, line: str) -> None:
        self._scrolled = self._scrolled or bool(self._shown)
        self._new_line()
        line = " ".join(without_steering(line).split())
        if len(line) > _MOST_OF_A_NOTE:
            line = f"{line[:_MOST_OF_A_NOTE]}…"
        self._console.print(Text(f"  {line}", style="dim"))

    def question(self, line: str) -> None:
        self.step_ended()
        self._console.print(Text(f"  {without_steering(line)}"))

    def error(self, line: str) -> None:
        self.step_ended()
        self._console.print(Text(without_steering(line), style="red"))
