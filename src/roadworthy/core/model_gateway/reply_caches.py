"""Replies that are used again: looked up before a provider is called, kept once they are in the journal."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, Protocol

from roadworthy.core.attempt import Attempt
from roadworthy.core.model_gateway.absence import Absence
from roadworthy.core.model_gateway.cache_in_time import CacheInTime
from roadworthy.core.model_gateway.cache_place import CachePlace, cache_place
from roadworthy.core.model_gateway.counters import GatewayCounters
from roadworthy.core.model_gateway.exact_cache import ExactCache
from roadworthy.core.model_gateway.found_reply import CacheName, Found, Pieces
from roadworthy.core.model_gateway.later import Later
from roadworthy.core.model_gateway.model_reply import ModelReply
from roadworthy.core.outage import Outage
from roadworthy.domain.errors import EmbeddingFailed
from roadworthy.domain.keepable import foreign_words
from roadworthy.domain.model_input import ModelInput, ProviderCall
from roadworthy.ports.cache import Stamp

__all__ = ["CachedCall", "Found", "ReplyCaches", "SemanticReplies"]

RESPONSE_SECONDS = 3600.0
WARM_UP_SECONDS = 30.0
SEMANTIC_LOOK_SECONDS = 1.0
"""A provider's embedding takes 50 to 300 ms, and the reply that it may save some seconds."""


class SemanticReplies(Protocol):
    """Replies to questions that mean the same (`semantic_cache.py`)."""

    async def look(self, place: CachePlace, question: str) -> Found | None: ...

    async def keep(self, place: CachePlace, question: str, reply: ModelReply) -> None: ...


class Cold(Protocol):
    """What takes a while when it is first used."""

    async def warm_up(self) -> None: ...


class Closing(Protocol):
    async def close(self) -> None: ...


class ReplyCaches:
    """One a worker. Whatever is wrong with a cache, a task notices no more than that its replies are made anew."""

    def __init__(
        self,
        cache: CacheInTime | None = None,
        seconds: float = RESPONSE_SECONDS,
        semantic: Mapping[str, SemanticReplies] | None = None,
        counters: GatewayCounters | None = None,
        owns: Sequence[Closing] = (),
        cold: Sequence[Cold] = (),
    ) -> None:
        """`seconds` is for policies that don't say; `semantic` is by embedder, as policies name them. What it `owns` is
        closed with it, and what is `cold` is warmed up before the first task."""
        self.counters = counters or GatewayCounters()
        self._seconds = seconds
        self._exact = None if cache is None else ExactCache(cache, self.counters)
        self._semantic = dict(semantic or {})
        self._owns = owns
        self._cold = cold
        self._later = Later()
        self._not_cacheable = Outage("requests_not_cacheable", "requests_cacheable_again")
        self._absence = Absence("semantic_cache_passed_over", "semantic_cache_back")
        self._keeping_fails = Outage("replies_not_kept", "replies_kept_again")

    @classmethod
    def off(cls) -> ReplyCaches:
        return cls()

    async def warm_up(self) -> None:
        """Before the first task. What fails or takes too long is left to the first look, which says so."""
        warming = (cold.warm_up() for cold in self._cold)
        with suppress(TimeoutError):
            async with asyncio.timeout(WARM_UP_SECONDS):
                await asyncio.gather(*warming, return_exceptions=True)

    def call(self, attempt: Attempt, input: ModelInput, model: str) -> CachedCall | None:
        """One model call as the caches see it; `model` is the first of its chain. None where no cache may be asked:
        the service has none, or a tool of the task did more than read."""
        policy = attempt.service.cache
        if policy is None or attempt.has_written:
            return None
        exact = self._exact if policy.exact else None
        semantic = self._semantic.get(policy.embedder) if policy.semantic and input.question else None
        if exact is None and semantic is None:
            return None
        try:
            place = cache_place(attempt.service, policy, attempt.task.principal, input, model, self._seconds)
        except Exception as error:
            # What surrounds a question may hold anything that an agent's code put there.
            self._not_cacheable.goes_on(f"{type(error).__name__}: {foreign_words(error)}", agent=attempt.service.name)
            return None
        self._not_cacheable.is_over()
        return CachedCall(self, attempt, input, model, place, exact, semantic)

    async def meant(self, semantic: SemanticReplies, place: CachePlace, question: str) -> Found | None:
        """A reply to a question that means the same; None also where that can't be told in time."""
        counted = self.counters.cache
        if not self._absence.may_ask():
            counted["semantic", "passed_over"] += 1
            return None
        try:
            async with asyncio.timeout(SEMANTIC_LOOK_SECONDS):
                found = await semantic.look(place, question)
        except Exception as error:
            if not (isinstance(error, EmbeddingFailed) and error.of_a_text):
                late = isinstance(error, TimeoutError)
                self._absence.goes_on(f"no answer within {SEMANTIC_LOOK_SECONDS:g} s" if late else _words(error))
            counted["semantic", "passed_over"] += 1
            return None
        self._absence.is_over()
        counted["semantic", "miss" if found is None else "hit"] += 1
        return found

    def keep_later(self, cache: CacheName, keep: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """In the background. Nobody waits for it, and it is dropped where too much is waiting."""

        async def kept() -> None:
            try:
                await keep()
            except Exception as error:
                self._keeping_fails.goes_on(_words(error), cache)
                self.counters.cache[cache, "dropped"] += 1
            else:
                self._keeping_fails.is_over(cache)

        if not self._later.add(kept):
            self.counters.cache[cache, "dropped"] += 1

    async def close(self) -> None:
        """Wait a little for what is still to be kept."""
        await self._later.close()
        for owned in self._owns:
            await owned.close()


class CachedCall:
    """One model call: looked up, and where nothing was found, kept for others if its reply can serve them."""

    def __init__(
        self,
        caches: ReplyCaches,
        attempt: Attempt,
        input: ModelInput,
        model: str,
        place: CachePlace,
        exact: ExactCache | None,
        semantic: SemanticReplies | None,
    ) -> None:
        self.place = place
        self._caches = caches
        self._attempt = attempt
        self._input = input
        self._model = model
        self._exact = exact
        self._semantic = semantic
        self._stamp: Stamp | None = None

    async def look(self) -> Found | None:
        question, found = self._input.question, None
        if self._exact is not None:
            found, self._stamp = await self._exact.look(self.place, question)
        if self._attempt.task.generation:
            # Somebody had it started over: the answers that it had before are not what they want.
            return None
        if found is None and self._semantic is not None:
            found = await self._caches.meant(self._semantic, self.place, question)
        return found

    def keep(self, reply: ModelReply, call: ProviderCall, pieces: Pieces) -> None:
        """In the background, once the agent has gone on with the reply; `call` is what brought it.

        Only a whole reply of the first model to the whole request is kept, and none that asks for a tool which does
        more than read: asking for it again is for a model to decide that knows of the first time.
        """
        if not reply.is_whole or call.simplified or call.model != self._model or self._attempt.has_written:
            return
        tools = {asked["tool"] for asked in reply.tool_calls} - set(self._input.answer_tools)
        policy = self._attempt.service.policy
        if any(policy(tool).effect != "read" for tool in tools):
            return
        place, question = self.place, self._input.question
        if self._exact is not None and self._stamp is not None:
            keep = partial(self._exact.keep, place, question, reply, pieces, self._stamp)
            self._caches.keep_later("exact", keep)
        if self._semantic is not None and not reply.tool_calls:
            # What a tool is asked for, be it one that only gives the answer, depends on each word of the question.
            self._caches.keep_later("semantic", partial(self._semantic.keep, place, question, reply))

    def forget(self, found: Found) -> None:
        """In the background. A reply to a question that means the same was good for that one, and stays."""
        if self._exact is not None and self._stamp is not None and found.cache == "exact":
            self._caches.keep_later("exact", partial(self._exact.forget, self.place, self._input.question, self._stamp))


def _words(error: Exception) -> str:
    return f"{type(error).__name__}: {foreign_words(error)}"
