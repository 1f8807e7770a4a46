"""The words by which figures are read, from data/figures.toml, made ready for looking back and forth from a number."""

import re
from collections.abc import Iterable, Mapping
from enum import StrEnum
from functools import cache
from typing import Any, Final, NamedTuple

from matching.engine.tables import table

_LATIN: Final = re.compile(r"[a-z]")


class Word(StrEnum):
    """What a word beside a number says of it."""

    GE = "ge"
    LE = "le"
    GT = "gt"
    LT = "lt"
    REACH = "reach"
    ABOUT = "about"
    BETTER = "better"
    INSIDE = "inside"
    RELATIVE = "relative"


BOUNDS: Final = frozenset({Word.GE, Word.LE, Word.GT, Word.LT, Word.BETTER})


class Found(NamedTuple):
    """A word found, what it says, and its other end."""

    word: str
    meaning: Word
    end: int


def word_before(text: str, at: int, floor: int) -> Found | None:
    """Return the longest word that ends at a place of a text in small letters, not beginning before `floor`."""
    words, longest = _before()
    for length in range(min(longest, at - floor), 0, -1):
        word = text[at - length : at]
        meaning = words.get(word)
        if meaning is not None and _begins_a_word(text, at - length):
            return Found(word, meaning, at - length)
    return None


def word_behind(text: str, at: int, limit: int) -> Found | None:
    """Return the longest word that begins at a place, not ending after `limit`."""
    words, longest = _behind()
    for length in range(min(longest, limit - at), 0, -1):
        word = text[at : at + length]
        meaning = words.get(word)
        if meaning is not None and not (word[-1].isascii() and text[at + length : at + length + 1].isalpha()):
            return Found(word, meaning, at + length)
    return None


def _begins_a_word(text: str, at: int) -> bool:
    return not (_LATIN.match(text, at) and at and _LATIN.match(text, at - 1))


@cache
def limit(name: str) -> int:
    """Return a limit of the table."""
    return int(_data()["limits"][name])


@cache
def pattern(section: str, *names: str) -> re.Pattern[str]:
    """Return a pattern that finds any word of some lists, Latin ones only whole. Alternatives only: it is linear.

    Lists of Chinese words have no boundaries in them, so that the engine skips to their first characters.
    """
    words = sorted({word for name in names for word in listed(section, name)}, key=lambda word: (-len(word), word))
    return re.compile("|".join(_whole(word) for word in words))


_HAS_LATIN: Final = re.compile("[a-z]{2}")


def says(text: str, section: str, name: str, name_en: str) -> bool:
    """Tell whether a text in small letters has a word of a Chinese list or of an English one."""
    if pattern(section, name).search(text):
        return True
    return _HAS_LATIN.search(text) is not None and pattern(section, name_en).search(text) is not None


def _whole(word: str) -> str:
    return rf"\b{re.escape(word)}\b" if word.isascii() and word[-1].isalpha() else re.escape(word)


@cache
def listed(section: str, name: str) -> tuple[str, ...]:
    """Return the words of one list."""
    words = _data()[section][name]
    return tuple(words.split()) if isinstance(words, str) else tuple(words)


@cache
def _before() -> tuple[Mapping[str, Word], int]:
    words = {word: Word.RELATIVE for name in ("words", "words_en") for word in listed("relative", name)}
    words |= _meanings(("before", "before_en"))
    return words, max(map(len, words))


@cache
def _behind() -> tuple[Mapping[str, Word], int]:
    words = _meanings(("behind", "behind_en"))
    words |= dict.fromkeys(listed("relative", "behind"), Word.RELATIVE)
    return words, max(map(len, words))


def _meanings(sections: Iterable[str]) -> dict[str, Word]:
    return {word: Word(name) for section in sections for name in _data()[section] for word in listed(section, name)}


def _data() -> Mapping[str, Any]:
    return table("figures")
