"""How many tokens a request has, before the provider counted them: rather too many than too few."""

from __future__ import annotations

BYTES_PER_TOKEN = 3
"""Of JSON in UTF-8. English has about 4.5 bytes a token, JSON and code 3 to 4; what has fewer is rare in a whole
request (digits, scripts that a tokenizer hardly knows)."""
IMAGE_TOKENS = 2_000
"""Of one image, whatever its size: providers scale large ones down to about 1,600 tokens."""


def estimated_tokens(text_bytes: int, images: int = 0) -> int:
    """Of a request whose messages and tools take so many bytes as JSON in UTF-8, images left out."""
    return -(-text_bytes // BYTES_PER_TOKEN) + images * IMAGE_TOKENS
