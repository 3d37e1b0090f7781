"""Texts as the numbers that BERT was trained on: words, cut into the pieces that its vocabulary has."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from pathlib import Path

_LONGEST_WORD = 100
_IDEOGRAPHS = ((0x4E00, 0x9FFF), (0x3400, 0x4DBF), (0x20000, 0x2A6DF), (0x2A700, 0x2CEAF), (0xF900, 0xFAFF))


class WordPieces:
    """The vocabulary, read once."""

    def __init__(self) -> None:
        words = (Path(__file__).parent / "vocabulary.txt").read_text("utf-8").split("\n")
        self._numbers: Mapping[str, int] = {word: number for number, word in enumerate(words) if word}
        self._unknown, self._first, self._last = (self._numbers[name] for name in ("[UNK]", "[CLS]", "[SEP]"))
        self._spaced = _Spaced()

    def numbers(self, text: str) -> list[int]:
        """Of the whole text, however long, between the marks of its beginning and end."""
        pieces = [self._first]
        for word in self._words(text):
            if (number := self._numbers.get(word)) is not None:
                pieces.append(number)
            else:
                pieces += self._parts(word)
        pieces.append(self._last)
        return pieces

    def _words(self, text: str) -> list[str]:
        if not text.isascii():
            text = unicodedata.normalize("NFD", text)
        return text.translate(self._spaced).lower().split()

    def _parts(self, word: str) -> list[int]:
        """The longest piece that the word begins with, then that of the rest, and so on."""
        if len(word) > _LONGEST_WORD:
            return [self._unknown]
        parts: list[int] = []
        start = 0
        while start < len(word):
            for end in range(len(word), start, -1):
                piece = word[start:end] if not start else f"##{word[start:end]}"
                if (number := self._numbers.get(piece)) is not None:
                    parts.append(number)
                    start = end
                    break
            else:
                return [self._unknown]
        return parts


class _Spaced(dict[int, str]):
    """What becomes of a character: words stay whole, everything else stands alone or vanishes. Filled as it is used."""

    def __missing__(self, code: int) -> str:
        self[code] = spaced = _spaced(code)
        return spaced


def _spaced(code: int) -> str:
    character = chr(code)
    category = unicodedata.category(character)
    if character in "\t\n\r" or category == "Zs":
        return " "
    if category in ("Cc", "Cf", "Co", "Mn") or code == 0xFFFD:
        return ""
    symbol = category[0] == "P" or (code < 0x80 and not character.isalnum())
    if symbol or any(first <= code <= last for first, last in _IDEOGRAPHS):
        return f" {character} "
    return character
