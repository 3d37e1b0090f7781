"""Pieces broken on purpose, to see that the checker finds it."""
from __future__ import annotations

from contextlib import nullcontext
def broken(name): return nullcontext()
