"""The shop behind the support example: the same orders everywhere, and writes that happen once."""

from pathlib import Path

import pytest
from examples.support.help_articles import NOTHING_FOUND, articles, best_article
from examples.support.invented_orders import invent_orders
from examples.support.shop import Shop


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path / "data" / "shop.sqlite")


def test_the_same_seed_invents_the_same_orders() -> None:
    assert list(invent_orders(seed=3)) == list(invent_orders(seed=3))
    assert list(invent_orders(seed=3)) != list(invent_orders(seed=4))


def test_there_are_hundreds_of_orders_with_numbers_of_their_own() -> None:
    orders = list(invent_orders())
    assert len({order.id for order in orders}) == len(orders) == 400
    assert {order.status for order in orders} == {"packed", "on its way", "delivered"}


def test_the_orders_named_in_the_demo_and_the_readme_are_there(shop: Shop) -> None:
    asked, packed = shop.order("DC-2207"), shop.order("MN-0919")
    assert asked is not None and asked.status == "on its way" and asked.cents <= 150_00
    assert packed is not None and packed.status == "packed"
    assert shop.orders_of("bela.meadow688@example.com")


def test_a_customers_orders_come_newest_first(shop: Shop) -> None:
    by_age = list(invent_orders())
    email = max(by_age, key=lambda order: sum(other.email == order.email for other in by_age)).email
    newest = [order.id for order in reversed(by_age) if order.email == email][:3]
    assert [order.id for order in shop.orders_of(email.upper())] == newest


def test_an_order_is_refunded_once(shop: Shop) -> None:
    assert shop.refund("DC-2207", "broken")
    assert not Shop(shop.file).refund("DC-2207", "broken")
    order = shop.order("DC-2207")
    assert order is not None and order.refunded and "refunded" in order.summary


def test_an_address_changes_until_the_parcel_leaves(shop: Shop) -> None:
    assert shop.change_address("MN-0919", "1 New Road")
    assert shop.change_address("MN-0919", "1 New Road")
    order = shop.order("MN-0919")
    assert order is not None and order.address == "1 New Road"
    assert not shop.change_address("DC-2207", "1 New Road")


@pytest.mark.parametrize(
    ("question", "title"),
    [
        ("How long does delivery take?", "Delivery and shipping"),
        ("Can I return something?", "Returns"),
        ("payment methods", "Payment"),
        ("Is there a warranty?", "Warranty and repairs"),
    ],
)
def test_a_question_finds_its_article(question: str, title: str) -> None:
    assert best_article(question) == articles()[title]


def test_a_question_about_something_else_finds_none() -> None:
    assert best_article("xyzzy") == NOTHING_FOUND
