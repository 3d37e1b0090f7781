"""Labelled questions that people asked: two public data sets beside the repository, where somebody has put them."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import orjson

from benchmarks.server_process import REPOSITORY

DATA = REPOSITORY.parent / "shared" / "data"
BANKING77 = DATA / "banking77" / "train.csv"
CLINC150 = DATA / "clinc150" / "data_full.json"


@dataclass(frozen=True, slots=True)
class LabelledQuestion:
    text: str
    intent: str
    """Questions with the same one have the same answer."""


def banking77(path: Path = BANKING77) -> Sequence[LabelledQuestion]:
    """10,003 questions of a bank's customers in the order of the file: intent by intent."""
    with path.open(encoding="utf-8", newline="") as file:
        return [LabelledQuestion(row["text"], row["category"]) for row in csv.DictReader(file)]


def clinc150(path: Path = CLINC150) -> Sequence[LabelledQuestion]:
    """23,700 requests to an assistant, intent by intent; those out of its scope have no answer in common."""
    parts = orjson.loads(path.read_bytes())
    return [
        LabelledQuestion(text, intent if intent != "oos" else f"{part} {place}")
        for part, rows in parts.items()
        for place, (text, intent) in enumerate(rows)
    ]
