"""What a run of the benchmarks leaves behind: a file that programs read, a table that people read."""

import json
from pathlib import Path

from benchmarks.all_benchmarks import ALL
from benchmarks.result import Result, write_results
from benchmarks.table import result_table
from rich.console import Console

RESULTS = [
    Result.at_least("tasks", 88.46, "tasks/CPU s", 75, reference=884.6),
    Result.at_most("lag", 16.0, "ms", 15, reference=0.5),
    Result("lag p99", 1234.5, "ms"),
]


def test_the_file_is_a_list_of_figures_with_their_reference_and_target(tmp_path: Path) -> None:
    path = tmp_path / "build" / "bench.json"
    write_results(path, RESULTS)
    assert json.loads(path.read_text()) == [
        {"name": "tasks", "value": 88.46, "unit": "tasks/CPU s", "reference": 884.6, "target": 75, "met": True},
        {"name": "lag", "value": 16.0, "unit": "ms", "reference": 0.5, "target": 15, "met": False},
        {"name": "lag p99", "value": 1234.5, "unit": "ms", "reference": None, "target": None, "met": None},
    ]


def test_a_target_is_met_when_it_is_just_reached() -> None:
    assert Result.at_least("tasks", 75, "tasks/CPU s", 75).met
    assert Result.at_most("lag", 15, "ms", 15).met


def test_the_table_shows_the_ratio_to_the_reference_and_whether_the_target_is_met() -> None:
    console = Console(width=100)
    with console.capture() as shown:
        console.print(result_table(RESULTS))
    lines = [line.split() for line in shown.get().splitlines()]
    assert lines[0] == ["value", "unit", "bare", "x", "bare", "target", "met"]
    assert lines[1] == ["tasks", "88.5", "tasks/CPU", "s", "885", "0.1", "75", "yes"]
    assert lines[2] == ["lag", "16", "ms", "0.5", "32", "15", "no"]
    assert lines[3] == ["lag", "p99", "1,234", "ms"]


def test_every_benchmark_has_a_name_of_its_own() -> None:
    assert len({benchmark.name for benchmark in ALL}) == len(ALL)
