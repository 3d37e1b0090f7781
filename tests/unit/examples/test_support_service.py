"""The support service as it is declared, and what its tools say."""

from pathlib import Path

import pytest
from examples.support import service as support
from examples.support.shop import Shop
from pydantic_ai.models.test import TestModel

from roadworthy import Done, NotDone, StartedCall


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


async def test_a_large_refund_is_for_a_colleague_to_allow() -> None:
    approval = support.service.tools["refund_order"].approval
    assert callable(approval)
    asked = {id_: await approval(order_id=id_, reason="broken") for id_ in ("QC-8480", "DC-2207", "DX-5235", "XX-0000")}
    assert asked == {"QC-8480": True, "DC-2207": True, "DX-5235": False, "XX-0000": False}


async def test_a_refund_that_did_not_come_back_is_looked_up_in_the_books() -> None:
    reconcile = support.service.tools["refund_order"].reconcile
    assert reconcile is not None
    assert isinstance(await reconcile(started("DC-2207")), NotDone)
    said = support.refund_order("DC-2207", "broken")
    assert await reconcile(started("DC-2207")) == Done(said)


def started(order_id: str) -> StartedCall:
    arguments = {"order_id": order_id, "reason": "broken"}
    return StartedCall("refund_order", arguments, "rw-1", "t", "s", "dev", "dev", "t1:c", 1, 0.0)


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
