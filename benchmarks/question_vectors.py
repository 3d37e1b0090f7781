"""Vectors of texts from the offline embedder, made once and kept in `build/`."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256

from benchmarks.server_process import REPOSITORY
from roadworthy.adapters.offline_embedder import OfflineEmbedder

FOLDER = REPOSITORY / "build" / "vectors"


async def vectors_of(texts: Sequence[str], say: Callable[[str], None]) -> Mapping[str, Sequence[float]]:
    """By text. The first time it takes about a minute for ten thousand."""
    embedder = OfflineEmbedder()
    wanted = sorted(set(texts))
    digest = sha256("\0".join((embedder.name, *wanted)).encode()).hexdigest()
    file = FOLDER / f"{digest[:16]}.f32"
    if not file.exists():
        say(f"embedding {len(wanted):,} questions, which are kept in {FOLDER.relative_to(REPOSITORY)} …")
        made = array("f")
        for start in range(0, len(wanted), embedder.most):
            for vector in await embedder.embed(wanted[start : start + embedder.most]):
                made.extend(vector)
        FOLDER.mkdir(parents=True, exist_ok=True)
        file.write_bytes(made.tobytes())
    await embedder.close()
    kept = array("f", file.read_bytes())
    size = len(kept) // len(wanted)
    return {text: kept[place * size : (place + 1) * size] for place, text in enumerate(wanted)}
