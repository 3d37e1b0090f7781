"""Reads a question for what must be the same in two of them, whatever their vectors say. Knows English only."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Final

from roadworthy.core.model_gateway.semantic.english import (
    DENIES_THE_NEXT_WORD,
    EXACT,
    FUNCTION_WORDS,
    NEGATIONS,
    PERHAPS_ENGLISH,
    PERSONS,
    ROLES,
    SAME_VALUE,
    SCALES,
    SMALL_NUMBERS,
    SURELY_ENGLISH,
)

MOST_CHARACTERS: Final = 400
MOST_WORDS: Final = 60
"""In a longer text one sentence may differ without moving the vector; and embedders cut off what is too long."""

NO_NEGATION: Final = "no 0"

# Each repetition is bounded or ends where the next thing can't begin: whatever the text, reading it takes linear time.
_TOKEN = re.compile(
    r"""
    (?P<address> (?:[a-z][a-z0-9+.-]{0,20}://|www\.)\S+ | [^\s@<>(),;:]{1,64}@[^\s@<>(),;:]+ | [@\#][\w-]+
        | (?:[\w.~-]{0,64}[/\\]){1,32}[\w.-]+ | [\w-]{1,64}(?:\.[\w-]{1,64}){0,8}\.[a-z]{2,5}\b )
    | (?P<number> [+-]?\d+(?:[.,:]\d+)*(?![\w]) )
    | (?P<code> (?=[\w.-]{0,64}\d)\w+(?:[-.]\w+)* )
    | (?P<word> [^\W\d_]+(?:'[^\W\d_]+)? )
    | (?P<sign> -> | -free\b | [^\w\s.,;:!?'"“”„«»…()\[\]{}/\\|_&–—-] )
    """,
    re.VERBOSE | re.IGNORECASE,
)
_APOSTROPHES = str.maketrans({"’": "'", "‘": "'", "ʼ": "'", "`": "'", "´": "'"})


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
    persons: tuple[str, ...] = ()
    """Who is spoken of by pronouns, in order, each once."""


@lru_cache(maxsize=4096)
def read_question(question: str) -> QuestionReading | None:
    """None for what can't be compared safely: too long, not English, or nothing in it."""
    if len(question) > MOST_CHARACTERS:
        return None
    text = unicodedata.normalize("NFKC", question).translate(_APOSTROPHES)
    tokens = list(_tokens(text))
    if not tokens or len(tokens) > MOST_WORDS or not _is_english(text, tokens):
        return None
    return _Reader(tokens, shouts=text.upper() == text).read()


def facts_of(text: str) -> tuple[str, ...]:
    """Of any text, however long: its facts without what prepositions make of them, and whether it says no at all."""
    tokens = list(_tokens(unicodedata.normalize("NFKC", text).translate(_APOSTROPHES)))
    *facts, negations = _Reader(tokens, shouts=True).read().facts
    return (*(fact.rpartition(" ")[2] for fact in facts), "yes" if negations == NO_NEGATION else "no")


_Token = tuple[str, str, bool]
"""Kind, text, and whether a sentence begins with it."""


def _tokens(text: str) -> Iterator[_Token]:
    begins, end = True, 0
    for match in _TOKEN.finditer(text):
        begins = begins or any(sign in ".?!:;\n" for sign in text[end : match.start()])
        kind, token, end = str(match.lastgroup), match.group(), match.end()
        if kind == "address":
            token = token.rstrip(".,;:!?)'\"")
        yield kind, token, begins
        begins = False


def _is_english(text: str, tokens: Sequence[_Token]) -> bool:
    if any(letter.isalpha() and letter > "ɏ" for letter in text):
        return False
    words = [token.lower() for kind, token, _ in tokens if kind == "word"]
    surely, perhaps = (sum(word in known for word in words) for known in (SURELY_ENGLISH, PERHAPS_ENGLISH))
    return 6 * surely + 3 * perhaps >= max(len(words), 1)


class _Reader:
    """One question, token by token."""

    def __init__(self, tokens: Sequence[_Token], shouts: bool) -> None:
        self._tokens = tokens
        self._titles = shouts or _is_title(tokens)
        self._has_letters = any(kind == "word" and _is_letter(token.lower()) for kind, token, _ in tokens)
        self._facts: list[str] = []
        self._words: dict[str, Word] = {}
        self._all_words: set[str] = set()
        self._names: list[str] = []
        self._persons: list[str] = []
        self._number: list[str] = []
        self._negations = 0
        self._role = ""
        self._negates = False
        self._before = ""

    def read(self) -> QuestionReading:
        for kind, token, begins in self._tokens:
            if kind == "word":
                self._word(token, begins)
            else:
                self._end_number()
                self._fact(_value(kind, token))
                self._before = kind
        self._end_number()
        facts = (*self._facts, f"no {self._negations}")
        return QuestionReading(
            facts,
            tuple(self._words.values()),
            frozenset(self._all_words),
            tuple(self._names),
            tuple(dict.fromkeys(self._persons)),
        )

    def _word(self, token: str, begins: bool) -> None:
        word = token.lower().removesuffix("'s")
        self._all_words.add(word)
        if word in SMALL_NUMBERS or word in SCALES:
            self._number.append(word)
            return
        if word == "and" and self._number and self._number[-1] in SCALES:
            return
        self._end_number()
        if self._is_exact(word):
            self._fact(SAME_VALUE.get(word, word))
        elif word in NEGATIONS or word.endswith("n't"):
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

    def _is_exact(self, word: str) -> bool:
        if word == "am":
            return self._before == "number"
        if word == "a":
            # Among other letters it is one.
            return self._has_letters
        return word in EXACT or _is_letter(word)

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
            self._fact(str(_number_in_words(words)))
            self._before = "number"


def _is_letter(word: str) -> bool:
    return len(word) == 1 and word not in "ais"


def stem_of(word: str) -> str:
    """Rough: what is left of `pays`, `paying` and `payed` without their ends."""
    for ending in ("ingly", "edly", "ing", "ies", "ed", "es", "s", "ly", "e", "y"):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            word = word.removesuffix(ending)
            break
    return word[:-1] if len(word) > 3 and word[-1] == word[-2] else word


def _is_title(tokens: Sequence[_Token]) -> bool:
    """Whether every word is written like a name, which says nothing then."""
    words = [token for kind, token, _ in tokens if kind == "word" and len(token) > 3]
    return len(words) > 2 and all(word[0].isupper() for word in words)


def _value(kind: str, token: str) -> str:
    if kind == "sign":
        return SAME_VALUE.get(token, token)
    if kind != "number":
        return token
    plain = token.replace(",", "") if _GROUPED.fullmatch(token) else token
    if plain.startswith("0") and len(plain) > 1 and not plain.startswith("0."):
        return plain
    try:
        return f"{Decimal(plain).normalize():f}"
    except InvalidOperation:
        return plain


_GROUPED = re.compile(r"\d{1,3}(,\d{3})+(\.\d+)?")


def _number_in_words(words: Sequence[str]) -> int:
    whole = part = 0
    for word in words:
        if (scale := SCALES.get(word)) is None:
            part += SMALL_NUMBERS[word]
        elif scale == 100:
            part = (part or 1) * 100
        else:
            whole, part = whole + (part or 1) * scale, 0
    return whole + part
