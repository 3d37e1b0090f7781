"""Lines that stand under each other, and how long ago something was."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import UTC, datetime


def columns(rows: Sequence[tuple[object, ...]], right: Collection[int] = ()) -> list[str]:
    """Each as wide as its widest cell; those in `right` have numbers."""
    cells = [[str(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return [
        "  ".join(
            cell.rjust(width) if place in right else cell.ljust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in cells
    ]


def ago(moment: str | None) -> str:
    if moment is None:
        return ""
    seconds = max((datetime.now(UTC) - datetime.fromisoformat(moment)).total_seconds(), 0)
    for unit, length in (("d", 86_400), ("h", 3600), ("m", 60)):
        if seconds >= length:
            return f"{seconds // length:.0f}{unit} ago"
    return f"{seconds:.0f}s ago"
