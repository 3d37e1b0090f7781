"""What is kept of a reply comes back whole or not at all."""

from dataclasses import replace

import pytest

from roadworthy.core.model_gateway.exact_cache import FORMAT, decoded, encoded
from roadworthy.core.model_gateway.model_reply import ModelReply
from roadworthy.domain.event import EventKind

KEY = b"k" * 20
CALL = {"call_id": "call_1", "tool": "find_order", "arguments": {"order_id": "Ä-17"}}
REPLY = ModelReply(
    payload=b'{"parts": "\xff\x00"}',
    model="gpt-5-mini-2026-01-01",
    text="It is on its way.",
    tool_calls=[CALL],
    usage={"input_tokens": 100},
    cost=1234,
    provider="openai",
    url="http://127.0.0.1:1",
)


def test_a_reply_comes_back_and_costs_nothing():
    found = decoded(KEY, encoded(KEY, REPLY))
    assert found is not None
    assert found.reply == replace(REPLY, usage={}, cost=0, provider=None, url=None)
    assert (found.cache, list(found.pieces), found.saved) == ("exact", [], 1234)


def test_thinking_comes_back_in_its_place():
    pieces = [(EventKind.THINKING, "Hm. "), (EventKind.TEXT, "It is on its way.")]
    found = decoded(KEY, encoded(KEY, REPLY, pieces))
    assert found is not None
    assert found.pieces == pieces


def test_a_value_fits_its_own_key_only():
    assert decoded(b"o" * 20, encoded(KEY, REPLY)) is None


@pytest.mark.parametrize("length", [0, 1, 8, 9, 12, 13, 40, -1])
def test_a_value_that_was_cut_off_is_a_miss(length: int):
    assert decoded(KEY, encoded(KEY, REPLY)[:length]) is None


def test_a_value_with_any_bit_changed_is_a_miss():
    value = encoded(KEY, REPLY)
    for place in range(len(value)):
        assert decoded(KEY, value[:place] + bytes([value[place] ^ 1]) + value[place + 1 :]) is None


def test_a_value_in_another_format_is_a_miss():
    assert decoded(KEY, b"\x02" + encoded(KEY, REPLY)[len(FORMAT) :]) is None


@pytest.mark.parametrize("value", [b"", b"garbage", b"\x01" * 40, b"\x80\x04pickle", b"\x00" * 1000])
def test_foreign_bytes_are_a_miss(value: bytes):
    assert decoded(KEY, value) is None
