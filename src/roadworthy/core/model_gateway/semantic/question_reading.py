"""Reads a question for what must be the same in two of them, whatever their vectors say. Knows English only."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from roadworthy.core.model_gateway.semantic.english import (
    DENIES_THE_NEXT_WORD,
    EXACT,
    FILLERS,
    FUNCTION_WORDS,
    IRREGULAR,
    KEYBOARD,
    NEGATIONS,
    PERHAPS_ENGLISH,
    PERSONS,
    ROLES,
    SAME_VALUE,
    SCALES,
    SMALL_NUMBERS,
    SURELY_ENGLISH,
    WHOLES,
    WRITTEN_WITHOUT_VOWELS,
)
from roadworthy.core.model_gateway.semantic.question_tokens import Token, plain, tokens_of

MOST_CHARACTERS: Final = 400
MOST_WORDS: Final = 60
"""In a longer text one sentence may differ without moving the vector; and embedders cut off what is too long."""

MOST_ANSWER_CHARACTERS: Final = 10_000
"""Some five pages: reading them takes the event loop 10 ms."""

NUMBER: Final = "#"
NO_NEGATION: Final = "no 0"


# Each repetition is bounded or ends where the next thing can't begin: whatever the text, reading it takes linear time.
@dataclass(frozen=True, slots=True)
class Word:
    """An ordinary word of a question that says what it is about."""

    stem: str
    text: str
    is_name: bool = False
    role: str = ""
    """What a preposition before it makes of it: `from`, `to`, …"""
    negated: bool = False


@dataclass(frozen=True, slots=True)
class QuestionReading:
    """Two questions may have one answer only if their `facts` are equal and `similarity_guards` finds nothing else."""

    facts: tuple[str, ...]
    """Identifiers, numbers, units and dates in order, with what prepositions make of them, and how often it says no."""
    words: tuple[Word, ...]
    """In their order, each once."""
    all_words: frozenset[str]
    names: tuple[str, ...]
    """What is written like a name, in lower case, in order."""
    wording: tuple[tuple[str, ...], ...] = ()
    """Sentence by sentence, but for what it is as good without. For numbers stands a sign."""
    persons: tuple[str, ...] = ()
    """Who is spoken of by pronouns, in order, each once."""


@lru_cache(maxsize=4096)
def read_question(question: str) -> QuestionReading | None:
    """None for what can't be compared safely: too long, not English, or nothing in it."""
    if len(question) > MOST_CHARACTERS:
        return None
    text = plain(question)
    if shouts := text.upper() == text:
        text = text.lower()
    tokens = list(tokens_of(text))
    if not tokens or len(tokens) > MOST_WORDS or not _is_english(text, tokens):
        return None
    return _Reader(tokens, shouts).read()


def facts_of(text: str) -> tuple[str, ...] | None:
    """Of an answer: its facts without what prepositions make of them, and whether it says no at all. None for what is
    too long to be read."""
    if len(text) > MOST_ANSWER_CHARACTERS:
        return None
    *facts, negations = reading_of(text).facts
    return (*(fact.rpartition(" ")[2] for fact in facts), "yes" if negations == NO_NEGATION else "no")


def reading_of(text: str) -> QuestionReading:
    """Of any text; what is written like a name says nothing."""
    return _Reader(list(tokens_of(plain(text))), shouts=True).read()


def _is_english(text: str, tokens: Sequence[Token]) -> bool:
    if any(letter.isalpha() and letter > "ɏ" for letter in text):
        return False
    words = [token.text.lower() for token in tokens if token.kind == "word"]
    surely, perhaps = (sum(word in known for word in words) for known in (SURELY_ENGLISH, PERHAPS_ENGLISH))
    return 6 * surely + 3 * perhaps >= max(len(words), 1)


class _Reader:
    """One question, token by token."""

    def __init__(self, tokens: Sequence[Token], shouts: bool) -> None:
        self._tokens = tokens
        self._titles = shouts or _is_title(tokens)
        self._has_letters = any(token.kind == "word" and _is_letter(token.text.lower()) for token in tokens)
        self._facts: list[str] = []
        self._words: dict[str, Word] = {}
        self._all_words: set[str] = set()
        self._names: list[str] = []
        self._persons: list[str] = []
        self._wording: list[list[str]] = [[]]
        self._number: list[str] = []
        self._negations = 0
        self._role = ""
        self._negates = False
        self._before = ""

    def read(self) -> QuestionReading:
        for place, token in enumerate(self._tokens):
            if token.begins:
                self._wording.append([])
            if token.kind == "word":
                self._word(token.text, token.begins)
                self._negations += self._takes_out(place, token.text.lower())
            else:
                self._say(NUMBER if token.kind == "number" else _value(token))
                self._end_number()
                self._fact(_value(token))
                self._before = token.kind
        self._end_number()
        facts = (*self._facts, f"no {self._negations}")
        return QuestionReading(
            facts,
            tuple(self._words.values()),
            frozenset(self._all_words),
            tuple(self._names),
            tuple(tuple(sentence) for sentence in self._wording if sentence),
            tuple(dict.fromkeys(self._persons)),
        )

    def _word(self, token: str, begins: bool) -> None:
        word = token.lower().removesuffix("'s")
        self._all_words.add(word)
        self._say(NUMBER if word in SMALL_NUMBERS or word in SCALES else word)
        if word in SMALL_NUMBERS or word in SCALES:
            self._number.append(word)
            return
        if word == "and" and self._number and self._number[-1] in SCALES:
            return
        self._end_number()
        if self._is_exact(word):
            self._fact(SAME_VALUE.get(word, word))
        elif word in NEGATIONS or word.endswith("n't") or word.startswith("n'"):
            self._negations += 1
            # "Doesn't my card work": what is denied comes later, and where is for a parser to say.
            self._negates = word in DENIES_THE_NEXT_WORD
        elif (role := ROLES.get(word)) is not None:
            self._role = role
        elif word not in FUNCTION_WORDS:
            self._content(word, token, begins)
        elif word in PERSONS:
            self._persons.append(PERSONS[word])
            self._role, self._negates = "", False
        elif word not in ("the", "a", "an", "my", "your", "of"):
            self._role, self._negates = "", False
        self._before = word

    def _say(self, word: str) -> None:
        sentence = self._wording[-1]
        if word not in FILLERS and not (word == NUMBER and sentence[-1:] == [NUMBER]):
            sentence.append(SAME_VALUE.get(word, word))

    def _takes_out(self, place: int, word: str) -> bool:
        """`All items but shoes`, and not `I have a card but it fails`."""
        if word != "but":
            return word == "than" and place > 0 and self._tokens[place - 1].text.lower() == "other"
        before = (token.text.lower() for token in self._tokens[max(place - 4, 0) : place])
        behind = [token.text.lower() for token in self._tokens[place + 1 : place + 2]]
        return any(each in WHOLES for each in before) or not FUNCTION_WORDS.issuperset(behind)

    def _is_exact(self, word: str) -> bool:
        if word == "am":
            return self._before == "number"
        if word == "may":
            return self._before in (
                "in",
                "of",
                "by",
                "until",
                "till",
                "since",
                "last",
                "next",
                "this",
                "every",
                "number",
            )
        if word in ("least", "most"):
            return self._before == "at"
        if word == "a":
            # Among other letters it is one.
            return self._has_letters
        return word in EXACT or _is_letter(word) or _is_made_up(word)

    def _content(self, word: str, token: str, begins: bool) -> None:
        is_name = not self._titles and ((token.isupper() and len(token) > 1) or (token[0].isupper() and not begins))
        if is_name:
            self._names.append(word)
        stem = stem_of(word)
        if stem not in self._words:
            self._words[stem] = Word(stem, word, is_name, self._role, self._negates)
        self._role, self._negates = "", False

    def _fact(self, value: str) -> None:
        role = "" if self._role == "by" else self._role
        self._facts.append(f"{role} {value}" if role else value)
        self._role, self._negates = "", False

    def _end_number(self) -> None:
        words, self._number = self._number, []
        # "The one that I ordered" counts nothing.
        if words and words != ["one"]:
            for number in _numbers_in_words(words):
                self._fact(str(number))
            self._before = "number"


def _is_letter(word: str) -> bool:
    return len(word) == 1 and word not in "ais"


@lru_cache(maxsize=4096)
def _is_made_up(word: str) -> bool:
    """What nobody can pronounce, or fingers type by themselves: rather a code than a word."""
    if len(word) < 3 or word in WRITTEN_WITHOUT_VOWELS or not word.isalpha():
        return False
    if _HAS_VOWEL.search(word) is None or _CONSONANTS.search(word) is not None:
        return True
    if len(word) > 6 and _HEXADECIMAL.fullmatch(word) is not None:
        return True
    return len(word) > 4 and any(word[at : at + 5] in row for row in KEYBOARD for at in range(len(word) - 4))


_HAS_VOWEL = re.compile(r"[aeiouyà-ɏ]")
_CONSONANTS = re.compile(r"[bcdfghjklmnpqrstvwxz]{5}")
_HEXADECIMAL = re.compile(r"[a-f]++")


def stem_of(word: str) -> str:
    """Rough: what is left of `pays`, `paying` and `payed` without their ends."""
    word = IRREGULAR.get(word, word)
    for ending in ("ingly", "edly", "ing", "ies", "ed", "es", "s", "ly", "e", "y"):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            word = word.removesuffix(ending)
            break
    return word[:-1] if len(word) > 3 and word[-1] == word[-2] else word


def _is_title(tokens: Sequence[Token]) -> bool:
    """Whether every word is written like a name, which says nothing then."""
    words = [token.text for token in tokens if token.kind == "word" and len(token.text) > 3]
    return len(words) > 2 and all(word[0].isupper() for word in words)


_GROUPED = re.compile(r"\d{1,3}(?:,\d{3})++(?:\.\d++)?+")
_DECIMAL = re.compile(r"\d++(?:\.\d++)?+")
_THOUSANDS = re.compile(r"\d{1,3}(?:\.\d{3})++")


def _value(token: Token) -> str:
    if token.kind == "sign":
        return SAME_VALUE.get(token.text, token.text)
    if token.kind == "exact":
        return token.text
    number = token.text.replace(",", "") if _GROUPED.fullmatch(token.text) else token.text
    # 007 is a name, and 1.000 a thousand to some.
    is_name = number.startswith("0") and not number.startswith("0.") and number != "0"
    if is_name or _DECIMAL.fullmatch(number) is None or _THOUSANDS.fullmatch(token.text) is not None:
        return number
    # The release 1.10 is not 1.1, but $5.00 are $5.
    whole, _, part = number.partition(".")
    return number if part.strip("0") else whole


def _numbers_in_words(words: Sequence[str]) -> Iterator[int]:
    """One where they are said as one: `two hundred five` is 205, `two five` a two and a five."""
    number = _NumberInWords()
    for word in words:
        if not number.takes(word):
            yield number.value
            number = _NumberInWords()
            number.takes(word)
    yield number.value


class _NumberInWords:
    def __init__(self) -> None:
        self._whole = 0
        self._part: int | None = None
        self._below = max(SCALES.values()) * 10

    @property
    def value(self) -> int:
        return self._whole + (self._part or 0)

    def takes(self, word: str) -> bool:
        """Whether it goes on with this word."""
        part, scale = self._part, SCALES.get(word)
        if scale is None:
            small = SMALL_NUMBERS[word]
            if part is None or (part >= 100 and part % 100 == 0 and small):
                self._part = (part or 0) + small
            elif part % 100 >= 20 and part % 10 == 0 and 0 < small < 10:
                self._part = part + small
            else:
                return False
        elif scale == 100:
            if part is not None and not 0 < part < 100:
                return False
            self._part = (part or 1) * 100
        elif scale >= self._below or part == 0:
            return False
        else:
            self._whole, self._part, self._below = self._whole + (part or 1) * scale, None, scale
        return True
