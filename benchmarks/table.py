"""The results for people."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table

from benchmarks.result import Result


def result_table(results: Sequence[Result]) -> Table:
    """One row a result; `x bare` is the value divided by the bare reference's."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("", no_wrap=True)
    for heading in ("value", "unit", "bare", "x bare", "target", "met"):
        table.add_column(heading, justify="left" if heading == "unit" else "right", no_wrap=True)
    for result in results:
        ratio = result.value / result.reference if result.reference else None
        met = {True: "[green]yes[/]", False: "[yellow]no[/]", None: ""}[result.met]
        figures = (_figure(result.value), result.unit, _figure(result.reference), _figure(ratio))
        table.add_row(result.name, *figures, _figure(result.target), met)
    return table


def _figure(value: float | None) -> str:
    """Three digits are all that a run can tell."""
    if value is None:
        return ""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
