"""What a plain function's reply says of its usage."""

from __future__ import annotations

from typing import Any

import pytest

from roadworthy.frameworks.wire_reply import usage_in


@pytest.mark.parametrize(
    ("usage", "known"),
    [
        ({"prompt_tokens": 10, "completion_tokens": 3}, {"input_tokens": 10, "output_tokens": 3}),
        (
            {"prompt_tokens": 10, "completion_tokens": 3, "prompt_tokens_details": {"cached_tokens": 8}},
            {"input_tokens": 10, "output_tokens": 3, "cache_read_tokens": 8},
        ),
        (
            {
                "input_tokens": 10,
                "output_tokens": 3,
                "cache_read_input_tokens": 800,
                "cache_creation_input_tokens": 200,
            },
            {"input_tokens": 1010, "output_tokens": 3, "cache_read_tokens": 800, "cache_write_tokens": 200},
        ),
        ({"input_tokens": 10, "cache_read_input_tokens": None}, {"input_tokens": 10}),
        ({"prompt_tokens": "many", "total": 3}, {}),
        ({}, {}),
        ("none", {}),
    ],
)
def test_input_tokens_include_what_is_cached_on_either_wire(usage: Any, known: dict[str, int]):
    assert usage_in({"usage": usage}) == known
