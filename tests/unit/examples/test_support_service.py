"""The support service as it is declared, and what its tools say."""

from pathlib import Path

import pytest
from examples.support import service as support
from examples.support.shop import Shop
from pydantic_ai.models.test import TestModel


@pytest.fixture(autouse=True)
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shop:
    shop = Shop(tmp_path / "shop.sqlite")
    monkeypatch.setattr(support, "shop", shop)
    return shop


def test_an_order_is_described_in_a_sentence() -> None:
    assert support.find_order("DC-2207") == (
        "Your order DC-2207, a wall clock, is on its way and will arrive on Tuesday 17 November."
    )


def test_an_unknown_order_is_answered_with_what_to_do() -> None:
    for said in (
        support.find_order("XX-0000"),
        support.change_address("XX-0000", "1 New Road"),
        support.refund_order("XX-0000", "broken"),
    ):
        assert "no order XX-0000" in said and "receipt" in said


def test_the_second_refund_says_that_there_was_a_first() -> None:
    assert "$33.00" in support.refund_order("DC-2207", "broken")
    assert "refunded before" in support.refund_order("DC-2207", "broken")


def test_a_large_refund_is_left_to_a_colleague(shop: Shop) -> None:
    assert "colleague" in support.refund_order("QC-8480", "broken")
    order = shop.order("QC-8480")
    assert order is not None and not order.refunded


def test_an_address_of_an_order_that_left_stays() -> None:
    assert "will be sent to 1 New Road" in support.change_address("MN-0919", "1 New Road")
    assert "has left already" in support.change_address("DC-2207", "1 New Road")


def test_every_tool_has_the_effect_that_it_has() -> None:
    effects = {name: policy.effect for name, policy in support.service.tools.items()}
    assert effects == {
        "find_order": "read",
        "list_orders": "read",
        "search_help": "read",
        "change_address": "idempotent",
        "refund_order": "once",
    }


async def test_the_agent_offers_every_tool_that_has_a_policy() -> None:
    model = TestModel(call_tools=[])
    await support.agent.run("hello", model=model)
    offered = model.last_model_request_parameters
    assert offered is not None
    assert {tool.name for tool in offered.function_tools} == set(support.service.tools)
