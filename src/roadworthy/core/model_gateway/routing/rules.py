"""Routes by what a request looks like: the default, for services that have nothing to learn from yet."""

from __future__ import annotations

import re
from math import log2

from roadworthy.domain.route import RouteRequest, Tier

MOST_CHARACTERS = 2000
"""Looked at for everything but the length: enough to know the kind of a request, whatever was pasted into it."""

MODERATE_FROM, COMPLEX_FROM = 7.5, 11.0
"""In doublings of the length: about 180 and 2,000 characters of prose without any other sign."""

_CODE = re.compile(r"```|(?:^|\n)(?:def|class|import|function|const|public|SELECT|#include|Traceback) ?[\w(<\"]")
_ITEM = re.compile(r"\n(?:[-*•]|\d{1,2}[.)]) ")
_WORD = re.compile(r"[a-z]+")


def _words(listed: str) -> frozenset[str]:
    return frozenset(listed.split())


_ORDERS = _words("""
    analyse analyze architect assess compare critique debug derive design develop diagnose evaluate explain implement
    investigate negotiate optimise optimize plan prove refactor review solve why write
""")
"""A request that begins with one of these wants work, however short it is."""

_POLITE = _words("can could i let me need now please to us want will would you")
"""What may stand before an order."""

_SMALL_TALK = _words("define hello hey hi no ok okay rephrase spell thank thanks translate yes")
"""One that begins with one of these wants little."""

_DEMANDING = _words("""
    algorithm architecture assumptions concurrency hypothesis implications optimal proof rigorous strategy tradeoff
    tradeoffs
""")

_CODE_WEIGHT, _ORDER_WEIGHT, _SMALL_TALK_WEIGHT = 2.0, 2.5, 1.0
_ITEM_WEIGHT, _QUESTION_WEIGHT, _WORD_WEIGHT = 0.25, 0.5, 0.5


class RuleRouter:
    """A `Router` without training: by length, code, the form of the request, and words (English ones)."""

    def route(self, request: RouteRequest) -> Tier:
        score = self.score(request.text)
        return "simple" if score < MODERATE_FROM else "moderate" if score < COMPLEX_FROM else "complex"

    def score(self, text: str) -> float:
        """How hard the request looks, in doublings of its length."""
        start = text[:MOST_CHARACTERS]
        words = _WORD.findall(start.lower())
        score = log2(1 + len(text))
        if _CODE.search(start):
            score += _CODE_WEIGHT
        score += _ITEM_WEIGHT * min(len(_ITEM.findall(start)), 6)
        score += _QUESTION_WEIGHT * min(max(start.count("?") - 1, 0), 3)
        score += _WORD_WEIGHT * min(len(_DEMANDING.intersection(words)), 4)
        if _first_order(words) in _ORDERS:
            score += _ORDER_WEIGHT
        elif words and words[0] in _SMALL_TALK:
            score -= _SMALL_TALK_WEIGHT
        return score


def _first_order(words: list[str]) -> str | None:
    return next((word for word in words[:6] if word not in _POLITE), None)
