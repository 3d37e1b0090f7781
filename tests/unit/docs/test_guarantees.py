"""docs/guarantees.md promises what is tested, and all of it."""

import ast

from .documents import REPOSITORY, quoted, text_of

FAULTS = REPOSITORY / "tests" / "faults"


def rows() -> list[list[str]]:
    lines = [line for line in text_of("docs/guarantees.md").splitlines() if line.startswith("| ")]
    cells = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]
    return [row for row in cells if row[-1].startswith("`tests/")]


def fault_tests() -> set[str]:
    found: set[str] = set()
    for file in FAULTS.glob("test_*.py"):
        names = [node.name for node in ast.parse(file.read_text()).body if isinstance(node, ast.AsyncFunctionDef)]
        found |= {f"tests/faults/{file.name}::{name}" for name in names if name.startswith("test_")}
    return found


def test_each_row_names_a_test_that_exists_and_each_fault_has_a_row():
    named = [quoted(row[-1])[0] for row in rows()]
    assert sorted(named) == sorted(fault_tests())


def test_each_row_says_what_is_promised_and_what_was_measured():
    for fault, promise, seconds, _ in rows():
        assert fault
        assert promise
        assert seconds == "–" or seconds.endswith(" s"), seconds
