"""Where a reply is kept: who may get it again, and for which agent, model and surroundings."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b

from roadworthy.domain.cache_mark import marks_of
from roadworthy.domain.cache_policy import CachePolicy
from roadworthy.domain.model_input import ModelInput
from roadworthy.domain.principal import Principal
from roadworthy.domain.service import AgentService

KEY_BYTES = 20


@dataclass(frozen=True, slots=True)
class CachePlace:
    """What two requests must have in common, to the last byte, for the reply to one to answer the other."""

    hard_key: bytes
    """Of tenant, user (unless it is shared), agent, version, model and everything that the model is sent but the
    question."""
    marks: tuple[str, ...]
    seconds: float
    """How long a reply is kept."""
    error_budget: float
    attempt_has_written: bool = False
    """A tool of the task did more than read: then nothing may be looked up or kept. Who has such a task is not asked
    at all (`reply_caches.py`)."""

    def key_of(self, question: str) -> bytes:
        """Of one question in this place."""
        return digest_of(self.hard_key, question.encode(errors="surrogatepass"))


def cache_place(
    service: AgentService, policy: CachePolicy, principal: Principal, input: ModelInput, model: str, seconds: float
) -> CachePlace:
    """`seconds` is how long replies are kept where the policy does not say."""
    asks = ("",) if policy.shared_by == "tenant" else ("user", principal.user)
    return CachePlace(
        hard_key=digest_of(
            *(part.encode() for part in (service.name, service.version, model, principal.tenant, *asks)),
            input.surroundings(),
        ),
        marks=_marks(service.name, service.version, principal.tenant),
        seconds=seconds if policy.seconds is None else policy.seconds,
        error_budget=policy.error_budget,
    )


def digest_of(*parts: bytes) -> bytes:
    """Different parts give different digests, also where they would be the same bytes one after the other."""
    digest = blake2b(digest_size=KEY_BYTES)
    for part in parts:
        digest.update(len(part).to_bytes(8))
        digest.update(part)
    return digest.digest()


_marks = lru_cache(maxsize=4096)(marks_of)
