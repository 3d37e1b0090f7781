"""Arguments as JSON: the same in every process, and nothing left out."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import orjson
import pytest
from pydantic import BaseModel, Field, RootModel, SecretStr, TypeAdapter

from roadworthy.domain.errors import NotKeepable
from roadworthy.frameworks.json_arguments import given_by_code, given_by_model


class Item(BaseModel):
    sku: str
    tags: set[str] = set()


class Order(BaseModel):
    id: str = Field(validation_alias="orderId")
    cents: int = Field(repr=False)
    note: str = Field("", exclude=True)
    items: list[Item] = []


class Names(RootModel[list[str]]):
    pass


@dataclass
class Parcel:
    to: str
    grams: int = field(repr=False)


def test_a_model_is_shown_as_the_json_that_it_is_made_of():
    given = {"orderId": "A", "cents": 500, "note": "soon", "items": [{"sku": "s", "tags": ["b", "a"]}]}
    made = Order.model_validate(given)
    given["items"][0]["tags"] = ["a", "b"]
    assert orjson.loads(given_by_model({"order": made}, dict)) == {"order": given}
    assert orjson.loads(given_by_model(made, dict)) == given
    assert Order.model_validate(orjson.loads(given_by_model(made, dict))) == made


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (Order(orderId="A", cents=500), Order(orderId="A", cents=900)),
        (Order(orderId="A", cents=5, note="a"), Order(orderId="A", cents=5, note="b")),
        (Parcel("A", 1), Parcel("A", 2)),
        (Names(["a"]), Names(["b"])),
        ({("a")}, {("b")}),
        (Decimal("1.5"), Decimal("1.6")),
        (b"a", b"b"),
        (datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC)),
    ],
)
def test_different_arguments_give_different_json(one: Any, other: Any):
    assert given_by_code("t", {"value": one}) != given_by_code("t", {"value": other})
    assert given_by_model({"value": one}, dict) != given_by_model({"value": other}, dict)


def test_what_is_no_data_is_taken_as_the_model_sent_it():
    numbers = TypeAdapter(Iterable[int]).validate_python([1, 2])
    sent = {"key": "s3cret-one", "numbers": [1, 2]}
    given = {"key": SecretStr("s3cret-one"), "numbers": numbers, "more": 7}
    assert orjson.loads(given_by_model(given, lambda: sent)) == sent | {"more": 7}
    assert list(numbers) == [1, 2], "it must not be read up"


def test_numbers_that_are_too_large_are_no_error():
    assert given_by_model({"n": 10**30}, lambda: {"n": 10**30}) != given_by_model({"n": 10**31}, dict)


SETS = """
from pydantic import BaseModel
from roadworthy.frameworks.json_arguments import given_by_code
class Tags(BaseModel):
    names: frozenset[str]
names = {f"name {number}" for number in range(20)}
print(given_by_code("t", {"names": names, "tags": Tags(names=names), "pairs": {(name, 1) for name in names}}))
"""


def test_sets_have_the_same_order_in_every_process():
    said = {
        subprocess.run(
            [sys.executable, "-c", SETS],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(said) == 1


@pytest.mark.parametrize("value", [object(), SecretStr("s"), [lambda: 1], iter([1]), {"n": 10**30}])
def test_code_is_told_what_it_may_give(value: Any):
    with pytest.raises(NotKeepable, match=r"the arguments of the tool 'pay' can't be kept .* give it JSON types"):
        given_by_code("pay", {"value": value})
