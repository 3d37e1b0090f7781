"""In which forms a secret is found, and that nothing else is."""

import base64
import json
import tracemalloc
from collections.abc import Callable
from urllib.parse import quote, quote_plus

import orjson
import pytest

from roadworthy.core.redactor import REDACTED, RedactedText, Redactor

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
