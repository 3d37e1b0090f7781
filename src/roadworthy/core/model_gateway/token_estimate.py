"""How many tokens a request has, before the provider counted them: rather too many than too few."""

from __future__ import annotations

BYTES_A_TOKEN = 2.5
"""English has about 4.5 in UTF-8, code and schemas 3, rows of numbers and scripts that a tokenizer hardly knows 2."""
IMAGE_TOKENS = 2_000
"""Of one image, whatever its size: providers scale large ones down to about 1,600 tokens."""


def estimated_tokens(text_bytes: int, images: int = 0) -> int:
    """Of a request whose messages and tools take so many bytes as JSON in UTF-8, images left out."""
    return int(text_bytes / BYTES_A_TOKEN) + 1 + images * IMAGE_TOKENS
