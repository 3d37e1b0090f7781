"""Which model replies a service may use again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

SharedBy = Literal["user", "tenant"]
OFFLINE = "offline"
"""The embedder that needs no provider."""


@dataclass(frozen=True, slots=True)
class CachePolicy:
    """`exact` answers a request that is the same to the last character, `semantic` one that means the same.

    `shared_by` says who may get a reply that somebody else's request led to: `user` nobody, `tenant` everybody of the
    same tenant (for agents whose answers hold nothing personal). `seconds` is how long a reply is kept;
    None: `ROADWORTHY_RESPONSE_CACHE_SECONDS`. `error_budget` is the share of requests that a semantic hit may answer
    wrongly; `embedder` is `offline` or a model that pydantic-ai embeds with, like `openai:text-embedding-3-small`.
    Raises ValueError for values that make no sense.
    """

    exact: bool = True
    semantic: bool = False
    shared_by: SharedBy = "user"
    seconds: float | None = None
    error_budget: float = 0.01
    embedder: str = OFFLINE

    def __post_init__(self) -> None:
        if not (self.exact or self.semantic):
            raise ValueError("a cache policy needs exact=True or semantic=True; leave `cache` away for neither")
        if self.shared_by not in get_args(SharedBy):
            raise ValueError(f"cache shared_by must be one of {', '.join(get_args(SharedBy))}, not {self.shared_by!r}")
        if self.seconds is not None and not 0 < self.seconds < 1e9:
            raise ValueError(f"cache seconds must be above zero, not {self.seconds!r}")
        if not 0 < self.error_budget < 0.5:
            raise ValueError(f"cache error_budget must be above 0 and below 0.5, not {self.error_budget!r}")
