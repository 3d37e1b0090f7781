"""Users write what the cache reads on the event loop: whatever it is, the time grows no faster than the text."""

import importlib
import pkgutil
import random
import re
import time
from collections.abc import Iterator

import pytest

from roadworthy.core.model_gateway import semantic
from roadworthy.core.model_gateway.semantic.question_reading import (
    MOST_ANSWER_CHARACTERS,
    MOST_CHARACTERS,
    facts_of,
    read_question,
    reading_of,
)

LONG = 8_000
SECONDS = 1.5
"""Of CPU. It takes some 0.03 where the work grows with the text, six where it grows with its square."""

_PIECES = """
    _ a_ - a- -a a. .a a.. _-. ab- 1 1. 1, 1: 1- -1 a1 1a a1- 1a. a / a/ \\ @ a@ @a # #a ! = != < <- -> &
    http://a, http://a"b" http:// www. :// a://a a.b@c.d· (a (( (· [a] " "a ' 'a a' ·'· ·" “a a”· « `a ~/ ../ é é-
    · a· a·b· -· ·-· 5·-· x ·, hundred· two·hundred· million· one· not· n't· a-free· ¼ ² 🎉 ﬀ ٣ ¹a
"""
REPEATED = ("\n", *(piece.replace("·", " ") for piece in _PIECES.split()))


def shapes(length: int) -> Iterator[str]:
    draw = random.Random(11)
    mixed = ["".join(draw.choices(REPEATED, k=draw.randrange(2, 5))) for _ in range(20)]
    for piece in (*REPEATED, *mixed):
        yield "What is my " + (piece * length)[:length] + " the!"


@pytest.mark.parametrize("end", ["", "x", "!", " "])
@pytest.mark.parametrize("text", ["What is my " + "_" * 26, "a_" * 24, "ab-" * 1500, "a.." * 26, "_-." * 26])
def test_what_once_stopped_a_worker_is_read_at_once(text: str, end: str):
    began = time.process_time()
    read_question(text + end)
    facts_of(text + end)
    assert time.process_time() - began < SECONDS


def test_no_shape_of_a_text_takes_more_than_its_length():
    slow: list[tuple[str, float]] = []
    for text in shapes(LONG):
        began = time.process_time()
        reading_of(text)
        if (seconds := time.process_time() - began) > SECONDS:
            slow.append((text[:30], seconds))
    assert slow == []


def test_every_pattern_gives_up_at_once():
    patterns: list[re.Pattern[str]] = [
        pattern
        for module in pkgutil.iter_modules(semantic.__path__, semantic.__name__ + ".")
        for pattern in vars(importlib.import_module(module.name)).values()
        if isinstance(pattern, re.Pattern)
    ]
    assert patterns
    texts = list(shapes(2_000))
    began = time.process_time()
    for pattern in patterns:
        for text in texts:
            pattern.match(text)
            pattern.fullmatch(text)
    assert time.process_time() - began < SECONDS


def test_what_is_too_long_is_not_read():
    assert read_question("Is it " + "far " * (MOST_CHARACTERS // 4)) is None
    assert facts_of("It is." + " " * MOST_ANSWER_CHARACTERS) is None
