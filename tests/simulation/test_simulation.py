"""A hundred seeds, each a cluster's life under faults; and proof that a broken promise would be seen."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def simulate(*options: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "tests.simulation", *options]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


@pytest.mark.timeout(600)
def test_the_promises_hold_whatever_goes_wrong():
    done = simulate("--seeds", "100", "--jobs", "2")
    assert done.returncode == 0, done.stdout[-10_000:] + done.stderr[-2_000:]


@pytest.mark.timeout(600)
def test_each_piece_that_is_broken_on_purpose_is_found():
    done = simulate("--break-everything", "--seeds", "100", "--jobs", "2")
    assert done.returncode == 0, done.stdout + done.stderr[-2_000:]


@pytest.mark.parametrize("seed", ["1", "2", "3"])
def test_a_seed_replays_exactly(seed: str):
    once, again = (simulate("--seed", seed, "--digest").stdout for _ in range(2))
    assert len(once.strip()) == 32
    assert once == again
    among_others = simulate("--first", seed, "--seeds", "1").stdout
    assert once.strip() in among_others
