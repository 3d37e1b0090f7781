"""Whether two questions whose vectors are alike may have one answer."""

from __future__ import annotations

from functools import lru_cache
from itertools import pairwise
from typing import Final

from roadworthy.core.model_gateway.semantic.english import (
    ALTERNATIVES,
    ASKED_FOR,
    FUNCTION_WORDS,
    OPPOSING_PREFIXES,
    OPPOSING_SUFFIX,
    STRICT_ROLES,
    TOLD_APART,
)
from roadworthy.core.model_gateway.semantic.question_reading import QuestionReading, Word, stem_of

_SAME_WORDS: Final = 2
_OTHER_WORDS: Final = 2


def may_share_an_answer(one: QuestionReading, other: QuestionReading) -> bool:
    """Not if they differ in an identifier, a number, a date or unit, a negation, a name, an opposite, or in the order
    or the roles of what they speak of."""
    return (
        one.facts == other.facts
        and other.all_words.issuperset(one.names)
        and one.all_words.issuperset(other.names)
        and (one.persons == other.persons or set(one.persons) != set(other.persons))
        and not _differ_in_alternatives(one.all_words, other.all_words)
        and not _are_opposites(one.all_words - other.all_words, other.all_words - one.all_words)
        and _tell_alike(one.all_words, other.all_words)
        and _relate_alike(one, other)
        and not any(_differ_in_one_place(here, there) for here in one.wording for there in other.wording)
    )


def _tell_alike(one: frozenset[str], other: frozenset[str]) -> bool:
    """Whether they speak of the same people and times."""
    for group in TOLD_APART:
        here = {place for place, forms in enumerate(group) if forms & one}
        there = {place for place, forms in enumerate(group) if forms & other}
        if not (here <= there or there <= here):
            return False
    return True


def _differ_in_one_place(one: tuple[str, ...], other: tuple[str, ...]) -> bool:
    """Said in the same words but for one or two in one place: then those are what is asked for. Before it may stand
    what the other does not say."""
    longer, shorter = sorted((one, other), key=len, reverse=True)
    return any(
        _differ_in_one_of(longer[start:], shorter)
        for start, word in enumerate(longer)
        if not start or word == shorter[0]
    )


def _differ_in_one_of(one: tuple[str, ...], other: tuple[str, ...]) -> bool:
    shortest, before, behind = min(len(one), len(other)), 0, 0
    while before < shortest and one[before] == other[before]:
        before += 1
    while behind < shortest - before and one[-1 - behind] == other[-1 - behind]:
        behind += 1
    if before + behind < _SAME_WORDS:
        return False
    here, there = one[before : len(one) - behind], other[before : len(other) - behind]
    if max(len(here), len(there)) > _OTHER_WORDS:
        return False
    says, said = ({stem_of(word) for word in words if word not in FUNCTION_WORDS} for words in (here, there))
    return bool(says and said) and says.isdisjoint(said)


def _differ_in_alternatives(one: frozenset[str], other: frozenset[str]) -> bool:
    chosen, otherwise = _alternatives(one), _alternatives(other)
    if any(chosen[group] != otherwise[group] for group in chosen.keys() & otherwise.keys()):
        return True
    asked, asked_otherwise = (
        {place for place, forms in enumerate(ASKED_FOR) if forms & words} for words in (one, other)
    )
    return bool(asked and asked_otherwise) and asked.isdisjoint(asked_otherwise)


@lru_cache(maxsize=4096)
def _alternatives(words: frozenset[str]) -> dict[int, frozenset[int]]:
    """By group of alternatives, which of them are there."""
    found: dict[int, set[int]] = {}
    for word in words & _PLACES.keys():
        for group, place in _PLACES[word]:
            found.setdefault(group, set()).add(place)
    return {group: frozenset(places) for group, places in found.items()}


def _places() -> dict[str, list[tuple[int, int]]]:
    places: dict[str, list[tuple[int, int]]] = {}
    for group, alternatives in enumerate(ALTERNATIVES):
        for place, forms in enumerate(alternatives):
            for form in forms:
                places.setdefault(form, []).append((group, place))
    return places


_PLACES = _places()


def _are_opposites(only_one: frozenset[str], only_other: frozenset[str]) -> bool:
    """`active` here and `inactive` there."""
    return any(
        word + OPPOSING_SUFFIX in others or any(prefix + word in others for prefix in OPPOSING_PREFIXES)
        for words, others in ((only_one, only_other), (only_other, only_one))
        for word in words
    )


def _relate_alike(one: QuestionReading, other: QuestionReading) -> bool:
    theirs = {word.stem: (place, word) for place, word in enumerate(other.words)}
    shared = [(word, *theirs[word.stem]) for word in one.words if word.stem in theirs]
    if any(before[1] > after[1] for before, after in pairwise(shared)):
        return False
    if any(_contradict(word, their) for word, _, their in shared):
        return False
    denied_here = {word.stem for word, _, their in shared if word.negated and not their.negated}
    denied_there = {word.stem for word, _, their in shared if their.negated and not word.negated}
    return not (denied_here and denied_there)


def _contradict(one: Word, other: Word) -> bool:
    """From it here, and to it there; or done by it here, and not there."""
    roles = {one.role, other.role}
    if len(roles) == 1:
        return False
    return "" not in roles or not roles.isdisjoint(STRICT_ROLES) or (one.is_name and other.is_name)
