"""What a trained router sees of a request: its words, its pairs of words and its length, as numbers below `SPACE`."""

from __future__ import annotations

import re
from itertools import pairwise
from math import log2
from zlib import crc32

SPACE = 1 << 16
"""Different words may share a number (the hashing trick); with 65,536 that costs 0.004 of APGR against four times as
many on the data of `benchmarks/routing.py`, and a router's file stays below half a megabyte."""

HEAD, TAIL = 1000, 500
"""Characters that are read at both ends of a longer text: what is asked stands before or after what was pasted in."""

MOST_LENGTH = 8000
"""Beyond it no text counts as longer, so that readers need not fetch more of it."""

_WORD = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]|[^\W\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]+|[^\w\s]")
"""A word, a mark, or a character of a script that puts no spaces between words."""

_MASK = SPACE - 1
_PAIR = 0x01000193
"""An odd factor, so that a pair differs from the same words the other way round."""


def features_of(text: str) -> list[int]:
    """Each once, in no order; the same in every process and release: trained weights depend on it."""
    seen = text if len(text) <= HEAD + TAIL else f"{text[:HEAD]}\n{text[-TAIL:]}"
    words = "\0".join(_WORD.findall(seen.lower())).encode("utf-8", "replace").split(b"\0")
    hashes = [crc32(word) for word in words]
    found = {one & _MASK for one in hashes}
    found.update([(one * _PAIR ^ two) & _MASK for one, two in pairwise(hashes)])
    found.add(crc32(b" %d" % int(2 * log2(1 + min(len(text), MOST_LENGTH)))) & _MASK)
    return list(found)
