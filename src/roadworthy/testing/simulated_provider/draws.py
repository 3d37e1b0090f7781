"""Everything that looks random here: a pure function of the seed, a purpose and a number."""

from __future__ import annotations

from hashlib import blake2b


def draw_bits(seed: int, purpose: str, number: int | str) -> int:
    """64 bits that depend on nothing but the arguments."""
    digest = blake2b(f"{seed}|{purpose}|{number}".encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "big")


def draw_fraction(seed: int, purpose: str, number: int | str) -> float:
    """A number from 0 (included) to 1 (excluded), evenly distributed."""
    return (draw_bits(seed, purpose, number) >> 11) * 2.0**-53
