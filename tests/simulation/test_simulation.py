"""Sixty seeds, each a cluster's life under faults; and proof that a broken promise would be seen."""

import subprocess
import sys
from pathlib import Path
from random import Random

import pytest

from .plan import draw_plan

ROOT = Path(__file__).parents[2]


# They take seconds; on a machine that has much else to do, minutes.
pytestmark = pytest.mark.timeout(900)


def simulation(*options: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "tests.simulation", *options]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def said(process: "subprocess.Popen[str]") -> str:
    with process:
        return process.communicate()[0]


def test_the_promises_hold_whatever_goes_wrong():
    running = simulation("--seeds", "60", "--jobs", "2")
    words = said(running)
    assert running.returncode == 0, words[-10_000:]


def test_each_piece_that_is_broken_on_purpose_is_found():
    """All but two, which take some fifty seeds: `python -m tests.simulation --break-everything` finds them, too."""
    running = simulation("--break-everything", "--seeds", "12", "--jobs", "2")
    words = said(running)
    lines = words.splitlines()
    assert len(lines) > 15, words
    assert {line.split()[0] for line in lines if " found by seed " not in line} <= {"lease", "cancel"}, words


@pytest.mark.parametrize("pydantic_ai", [False, True], ids=["function", "pydantic_ai"])
def test_a_seed_replays_exactly(pydantic_ai: bool):
    seed = next(str(seed) for seed in range(1, 100) if draw_plan(Random(seed)).pydantic_ai is pydantic_ai)
    running = [
        simulation("--seed", seed, "--digest"),
        simulation("--seed", seed, "--digest"),
        simulation("--first", seed, "--seeds", "1"),
    ]
    once, again, among_others = map(said, running)
    assert len(once.strip()) == 32
    assert once == again
    assert f"digest {once}" in among_others
