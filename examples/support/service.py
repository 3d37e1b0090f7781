"""A customer-support agent, ready to be served: `roadworthy serve examples/support/service.py:service`."""

import asyncio
import os
from typing import Annotated

from pydantic import Field
from pydantic_ai import Agent

from examples.support.help_articles import best_article
from examples.support.invented_orders import Order
from examples.support.local_model import local_model
from examples.support.local_model_server import MODEL_NAME
from examples.support.shop import Shop
from roadworthy import AgentService, Done, Limits, NotDone, Price, StartedCall, ToolPolicy

REFUNDED_UNASKED = 30_00  # cents: more needs somebody's approval

OrderId = Annotated[str, Field(pattern=r"^[A-Z]{2}-\d{4}$", description="Printed on the receipt: DC-2207")]
Email = Annotated[str, Field(pattern=r"^[\w.+-]+@[\w-]+(\.[\w-]+)+$")]

shop = Shop()
agent = Agent(
    os.environ.get("SUPPORT_DEMO_MODEL") or local_model(),
    instructions="You help the customers of a shop for household goods. Look things up before you answer, "
    "never promise what a tool did not confirm, and answer in one or two friendly sentences.",
)


@agent.tool_plain
def find_order(order_id: OrderId) -> str:
    """Where an order is, what was bought and when it arrives."""
    order = shop.order(order_id)
    return order.summary if order else unknown(order_id)


@agent.tool_plain
def list_orders(email: Email) -> str:
    """All orders of a customer, newest first."""
    orders = shop.orders_of(email)
    return "\n".join(order.summary for order in orders) or f"We have no orders for {email}."


@agent.tool_plain
def search_help(question: str) -> str:
    """Search the help articles about delivery, returns, payment and warranty."""
    return best_article(question)


@agent.tool_plain
def change_address(order_id: OrderId, address: str) -> str:
    """Send an order to another address, as long as it has not left."""
    order = shop.order(order_id)
    if order is None:
        return unknown(order_id)
    if not shop.change_address(order_id, address):
        return f"Your order {order_id} has left already, so its address can no longer be changed."
    return f"Your order {order_id} will be sent to {address}."


@agent.tool_plain
def refund_order(order_id: OrderId, reason: str) -> str:
    """Give the customer the money back for an order."""
    order = shop.order(order_id)
    if order is None:
        return unknown(order_id)
    if not shop.refund(order_id, reason):
        return f"Your order {order_id} was refunded before, so there is nothing more to pay back."
    return refunded(order)


async def is_large(order_id: str, reason: str) -> bool:
    """Whether a colleague has to allow the refund: then its task waits, and holds up nobody."""
    order = await asyncio.to_thread(shop.order, order_id)
    return order is not None and order.cents > REFUNDED_UNASKED


async def look_up_refund(call: StartedCall) -> Done | NotDone:
    """Asked when a refund was started and its worker died before it could say what became of it."""
    order = await asyncio.to_thread(shop.order, call.arguments["order_id"])
    if order is not None and order.refunded:
        return Done(refunded(order))
    return NotDone("the shop's books have no refund of that order")


def refunded(order: Order) -> str:
    return f"We refunded order {order.id}, and {order.price} will be on your card in three to five days."


def unknown(order_id: str) -> str:
    return f"We have no order {order_id}. Please look at the receipt again: the number looks like DC-2207."


service = AgentService(
    agent,
    name="support",
    version="1",
    limits=Limits(steps=6, step_seconds=60, total_seconds=180, cost_usd="0.10"),
    tools={
        "find_order": ToolPolicy(effect="read", seconds=5, retries=2),
        "list_orders": ToolPolicy(effect="read", seconds=5, retries=2),
        "search_help": ToolPolicy(effect="read", seconds=5, retries=2),
        "change_address": ToolPolicy(effect="idempotent", seconds=10, retries=1),
        # Never twice, whatever crashes: what nobody can know is looked up in the books.
        "refund_order": ToolPolicy(effect="once", seconds=20, approval=is_large, reconcile=look_up_refund),
    },
    prices={MODEL_NAME: Price.free()},  # the local one; genai-prices knows those of the large providers
    fallback_answer="I cannot look that up right now. A colleague will write to you.",
)
