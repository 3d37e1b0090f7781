"""In which forms a secret is found, and that nothing else is."""

import base64
import json
import tracemalloc
from collections.abc import Callable
from itertools import pairwise
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote, quote_plus

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from roadworthy.core.attempt import TextStream
from roadworthy.core.redactor import REDACTED, RedactedText, Redactor
from roadworthy.domain.event import EventKind, Place
from roadworthy.domain.journal import text_of

PLAIN = "sk-proj-Ab12Cd34Ef56"
ODD = 'p/ä"ss\\w + ö%rd'


def b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize("secret", [PLAIN, ODD], ids=["plain", "odd"])
@pytest.mark.parametrize(
    "disguise",
    [
        str,
        json.dumps,
        lambda s: json.dumps(s, ensure_ascii=False),
        lambda s: json.dumps(s).replace("/", "\\/"),
        lambda s: json.dumps({"body": json.dumps({"key": s})}),
        lambda s: json.dumps(json.dumps(json.dumps(s, ensure_ascii=False))),
        lambda s: f"https://x.example/?key={quote(s)}&more",
        lambda s: f"key={quote(s, safe='')}",
        lambda s: f"key={quote_plus(s)}",
    ],
    ids=["text", "ascii", "utf-8", "slashes", "within", "twice", "url", "query", "form"],
)
def test_a_secret_is_found(secret: str, disguise: Callable[[str], str]):
    text = f"before {disguise(secret)} after"
    shown = Redactor([secret]).text(text)
    assert REDACTED in shown and shown.startswith("before ") and shown.endswith(" after")
    assert secret not in shown
    assert Redactor([secret]).bytes(text.encode()) == shown.encode()


@pytest.mark.parametrize("before", ["", "u", "us", "user:"])
@pytest.mark.parametrize("behind", ["", "x", "xy"])
def test_a_secret_is_found_within_what_was_encoded_in_base64(before: str, behind: str):
    shown = Redactor([PLAIN]).text(f"Authorization: Basic {b64(before + PLAIN + behind)}")
    assert REDACTED in shown
    rest = shown.partition("Basic ")[2].replace(REDACTED, "")
    assert len(rest) <= len(b64(before)) + len(b64(behind)) + 2


def test_percent_codes_are_found_in_either_case():
    assert Redactor(["pass/word?1"]).text("a=pass%2fword%3f1") == f"a={REDACTED}"


def test_json_stays_json_where_a_number_or_a_name_is_secret():
    redactor = Redactor(["123456789012345", "geheim-4711"])
    data = orjson.dumps({"n": 123456789012345, "geheim-4711": [1.5, True, None]})
    assert orjson.loads(redactor.json(data)) == {"n": REDACTED, REDACTED: [1.5, True, None]}


def test_what_holds_no_secret_is_given_back_as_it_is():
    redactor, data = Redactor([PLAIN]), b'{"a": 1}'
    assert redactor.json(data) is data and redactor.bytes(data) is data
    for value in ({"a": (1, [2.5, None])}, "text", b"raw", True, object):
        assert redactor.value(value) == value


def test_without_secrets_and_with_short_ones_nothing_is_redacted():
    for redactor in (Redactor(), Redactor(["", "short"])):
        assert not redactor.knows_any
        assert redactor.text("a short text") == "a short text"
        assert redactor.bytes(b"") == b""
        assert redactor.held_back("text") == 0


def test_of_two_secrets_the_longer_one_goes_whole():
    assert Redactor(["geheim-47", "geheim-4711-x"]).text("geheim-4711-x") == REDACTED


@pytest.mark.parametrize("size", [1, 2, 3, 7, 100])
def test_a_secret_is_found_in_text_that_comes_in_pieces(size: int):
    text = f"The key is {PLAIN}, and sk-proj is only its beginning: sk-proj-A"
    redacted, shown = RedactedText(Redactor([PLAIN])), ""
    for start in range(0, len(text), size):
        shown += redacted.add(text[start : start + size])
        assert "Ab12" not in shown
    shown += redacted.rest()
    assert shown == text.replace(PLAIN, REDACTED)


OVERLAPPING = ["sk-abcdef1234", "sk-abcdef1234-LONGER9876", "1234-abcd", "abababab", "bababac-12"]


@given(
    st.lists(st.sampled_from([*OVERLAPPING, "sk-abc", "def1234", "-LONGER", "9876", "1234", "ab", "a", "c-12", " "])),
    st.data(),
)
def test_text_in_pieces_shows_what_it_would_show_as_a_whole(parts: list[str], data: st.DataObject):
    text, redactor = "".join(parts), Redactor(OVERLAPPING)
    cuts = sorted({0, len(text), *data.draw(st.lists(st.integers(0, len(text))))})
    redacted = RedactedText(redactor)
    shown = "".join([redacted.add(text[start:end]) for start, end in pairwise(cuts)])
    assert shown + redacted.rest() == redactor.text(text)


def test_a_secret_that_another_one_begins_with_waits_for_what_follows():
    redacted = RedactedText(Redactor(OVERLAPPING))
    assert redacted.add("key sk-abcdef1234") == "key "
    assert redacted.add("-LONGER9876 end") == f"{REDACTED} end"


def test_a_secret_on_both_sides_of_thinking_is_found():
    shown: list[tuple[EventKind, str]] = []
    attempt: Any = SimpleNamespace(
        redactor=Redactor([PLAIN]), over=False, publish_text=lambda place, kind, text: shown.append((kind, text))
    )
    stream = TextStream(attempt, Place(0, 1, 1, 0), live=True)
    for kind, text in ((EventKind.TEXT, f"key: {PLAIN[:9]}"), (EventKind.THINKING, "x"), (EventKind.TEXT, PLAIN[9:])):
        stream(kind, text)
    assert stream.pieces == [["text", "key: "], ["thinking", "x"], ["text", REDACTED]]
    assert [list(piece) for piece in shown] == [[kind, text] for kind, text in stream.pieces]


def test_what_may_begin_a_secret_is_shown_at_the_end():
    attempt: Any = SimpleNamespace(redactor=Redactor([PLAIN]), over=False)
    stream = TextStream(attempt, Place(0, 1, 1, 0), live=False)
    stream(EventKind.TEXT, "it begins with sk-pr")
    stream(EventKind.THINKING, "or sk-")
    assert text_of({"pieces": stream.pieces}) == "it begins with sk-pr"
    assert "".join(text for kind, text in stream.pieces if kind == "thinking") == "or sk-"


def test_text_that_begins_no_secret_is_not_held_back():
    redacted = RedactedText(Redactor([PLAIN]))
    assert redacted.add("Hello, your order") == "Hello, your order"


def test_a_long_secret_costs_neither_time_nor_memory():
    key = "-----BEGIN PRIVATE KEY-----\n" + "\n".join(f"{line:064x}" for line in range(40))
    redacted, shown = RedactedText(Redactor([key])), ""
    text = f"The key: {key}\nand -----BEGIN"
    tracemalloc.start()
    for start in range(0, len(text), 5):
        shown += redacted.add(text[start : start + 5])
    assert tracemalloc.get_traced_memory()[1] < 1_000_000
    tracemalloc.stop()
    assert shown + redacted.rest() == f"The key: {REDACTED}\nand -----BEGIN"
