"""Invents customers and orders from a seed: the same ones on every machine, nobody among them real."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from random import Random
from typing import Literal

FIRST_NAMES = ("Ada", "Bela", "Cato", "Dara", "Edda", "Finn", "Gita", "Ines", "Jory", "Lino", "Orla", "Pia")
LAST_NAMES = ("Brook", "Cinder", "Dale", "Fern", "Glen", "Linden", "Meadow", "Pebble", "Sorrel", "Willow")
STREETS = ("Mill Lane", "Hill Street", "Orchard Road", "Station Road", "Quarry Walk", "Harbour Row")
TOWNS = ("Oakford", "Marden", "Westbrook", "Saltby", "Elmswick")
ITEMS = {
    "an oak shelf": 64_00,
    "a tea pot": 28_50,
    "a set of six cups": 36_00,
    "a reading lamp": 49_90,
    "a wool blanket": 85_00,
    "a cast iron pan": 42_00,
    "a garden bench": 189_00,
    "a bread knife": 24_00,
    "a wall clock": 33_00,
    "a linen table cloth": 39_50,
}
FIRST_DAY = date(2026, 10, 5)

Status = Literal["packed", "on its way", "delivered"]


@dataclass(frozen=True, slots=True)
class Order:
    """One order; `day` is when it arrives or arrived."""

    id: str
    email: str
    customer: str
    item: str
    cents: int
    status: Status
    day: str
    address: str
    refunded: bool = False

    @property
    def price(self) -> str:
        return f"${self.cents / 100:.2f}"

    @property
    def summary(self) -> str:
        """The order in one sentence, for a customer."""
        if self.refunded:
            return f"Your order {self.id}, {self.item}, was refunded with {self.price}."
        if self.status == "delivered":
            return f"Your order {self.id}, {self.item}, was delivered on {self.day} to {self.address}."
        return f"Your order {self.id}, {self.item}, is {self.status} and will arrive on {self.day}."


def invent_orders(seed: int = 7, customers: int = 200, orders: int = 400) -> Iterator[Order]:
    """Yields `orders` orders of at most `customers` customers, the oldest first."""
    draw = Random(seed)
    people = [_invent_customer(draw) for _ in range(customers)]
    ids = draw.sample(range(10_000), orders)
    for position, number in enumerate(ids):
        email, customer, address = draw.choice(people)
        item, cents = draw.choice(list(ITEMS.items()))
        age = position / orders
        yield Order(
            id=f"{draw.choice('BDKLMQRT')}{draw.choice('CHMNPXZ')}-{number:04}",
            email=email,
            customer=customer,
            item=item,
            cents=cents,
            status="delivered" if age < 0.8 else "on its way" if age < 0.9 else "packed",
            day=f"{FIRST_DAY + timedelta(days=int(age * 50)):%A %-d %B}",
            address=address,
        )


def _invent_customer(draw: Random) -> tuple[str, str, str]:
    first, last = draw.choice(FIRST_NAMES), draw.choice(LAST_NAMES)
    address = f"{draw.randint(1, 90)} {draw.choice(STREETS)}, {draw.choice(TOWNS)}"
    return f"{first}.{last}{draw.randint(1, 999)}@example.com".lower(), f"{first} {last}", address
