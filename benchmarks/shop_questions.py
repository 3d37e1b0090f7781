"""What customers of a shop ask, in several wordings; some of it is hard."""

from __future__ import annotations

import random
from collections.abc import Sequence

EASY: Sequence[Sequence[str]] = (
    (
        "What are your opening hours?",
        "When are you open?",
        "Which hours is the shop open?",
        "When do you open and close?",
    ),
    ("How long does delivery take?", "How many days until delivery?", "When will a delivery arrive?"),
    ("Do you ship abroad?", "Can you deliver to other countries?", "Is shipping abroad possible?"),
    ("How do I return an item?", "I want to send something back, how?", "How can I return what I bought?"),
    ("Which ways to pay do you take?", "How can I pay?", "What payment methods do you accept?"),
    ("I forgot my password.", "How do I reset my password?", "I can't remember my password, what now?"),
    ("How do I change my address?", "I moved, where do I put the new address?", "Can I change my delivery address?"),
    ("Do you have gift cards?", "Can I buy a gift card?", "Are there gift cards?"),
    ("Is there a student discount?", "Do students pay less?", "Do you give discounts to students?"),
    ("How do I cancel my order?", "I want to cancel an order.", "Can an order be cancelled, and how?"),
    ("Where can I find the size chart?", "Which size do I need?", "How do your sizes run?"),
    ("How do I reach a person?", "Can I talk to somebody?", "I would like to speak to an employee."),
)
HARD: Sequence[Sequence[str]] = (
    (
        "Compare the three tents you sell for a family of five that camps in wet winters, and explain step by step "
        "which one is worth its price over ten years.",
    ),
    (
        "My order came in two parcels on different days, one was damaged and I was charged customs twice. Say what "
        "I am owed and why, considering your terms and consumer law.",
    ),
    (
        "Plan the equipment for a two-week bicycle tour along a coast with 12 kg at most, and justify each piece; "
        "prove that the total stays below the limit.",
    ),
    (
        "Analyse why my solar panel of your shop charges only half as fast as its data sheet says, given 31 degrees, a "
        "5 m cable and a controller from 2019, and derive what I should change first.",
    ),
)


def asked(count: int, seed: int = 7) -> list[str]:
    """So many questions, the frequent ones first of all: one in ten is hard, and a quarter carry an order's number."""
    chance = random.Random(seed)
    weights = [1 / rank for rank in range(1, len(EASY) + 1)]
    questions: list[str] = []
    for number in range(count):
        draw = chance.random()
        if draw < 0.1:
            questions.append(chance.choice(chance.choice(HARD)))
        elif draw < 0.35:
            questions.append(f"Where is my order DC-{1000 + number}?")
        else:
            questions.append(chance.choice(chance.choices(EASY, weights)[0]))
    return questions
