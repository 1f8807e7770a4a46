"""From text to terms: words for finding and explaining, character bigrams beside them for scoring.

Words come from rjieba (its precise mode), Latin and digit runs stay whole with the signs inside them (SiO2, 3D-BSA),
English words are reduced to their stem. Character bigrams repair what segmentation splits differently in two texts.
"""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Final, NamedTuple

import rjieba
import Stemmer

from matching.engine import folding
from matching.engine.tables import table, word_set

_TABLE = table("analyzer")
_TEXT_LIMIT: Final[int] = _TABLE["limits"]["text"]
_RUN_LIMIT: Final[int] = _TABLE["limits"]["run"]
VERSION: Final = f"zh-rjieba-0.2.2/{_TABLE['version']}/{folding.VERSION}"
"""Names this analyzer. Terms of two versions must never be compared: an index of another version is rebuilt."""

_HAN = "\u3007\u3400-\u4dbf\u4e00-\u9fff\U00020000-\U0003ffff"
_RUN = re.compile(rf"(?P<han>[{_HAN}]+)|[a-z0-9\u00b5\u0370-\u03ff]+(?:[.\-_/+][a-z0-9\u00b5\u0370-\u03ff]+)*")
_IS_HAN = re.compile(rf"[{_HAN}]")
HAN: Final = _HAN
"""Chinese characters, as the inside of a set of a regular expression."""
LATIN: Final = r"[a-z0-9\u00b5\u0370-\u03ff]+(?:[.\-_/+][a-z0-9\u00b5\u0370-\u03ff]+)*"
"""A run of letters and digits in folded text, as a regular expression."""
RUN_LIMIT: Final = _RUN_LIMIT
TEXT_LIMIT: Final = _TEXT_LIMIT
"""Characters of a field that are read."""
_INVISIBLE = re.compile("[\u00ad\u200b-\u200f\u2028-\u202e\u2060-\u2064\ufe00-\ufe0f\ufeff]")


_REMEMBERED: Final = 128
"""Texts kept folded and cut: the words and the pairs of one are asked for one after the other."""


def is_han(term: str) -> bool:
    """Tell whether a term is written in Chinese characters."""
    return _IS_HAN.match(term) is not None


@lru_cache(maxsize=_REMEMBERED)
def fold(text: str) -> str:
    """Return `text` as it is compared: cut to the limit, NFKC, lower case, Simplified, invisible characters out."""
    return folding.simplified(unicodedata.normalize("NFKC", _INVISIBLE.sub("", text[:_TEXT_LIMIT])).lower())


_STEMMER: Final = Stemmer.Stemmer("english", 0)
_STEM_LEAST: Final[int] = _TABLE["stem"]["least"]


@lru_cache(maxsize=1 << 14)
def stem(word: str) -> str:
    """Return the stem of a lower-case English word; what has other signs than letters stays as it is."""
    if len(word) < _STEM_LEAST or not (word.isascii() and word.isalpha()):
        return word
    stemmed: str = _STEMMER.stemWord(word)
    return stemmed


class Token(NamedTuple):
    """A word as it is compared (a stem, the mainland word), with its place in the folded text."""

    word: str
    start: int
    end: int


@lru_cache(maxsize=_REMEMBERED)
def tokens(folded: str) -> tuple[Token, ...]:
    """Return the words of a folded text in order, stop words left out."""
    return tuple(map(Token._make, cut(folded)))


def cut(folded: str) -> Iterator[tuple[str, int, int]]:
    """Yield what `tokens` returns, without keeping it: word, start and end."""
    stop = word_set("analyzer", "stop")
    reworded = folding.may_be_reworded(folded)
    for run in _RUN.finditer(folded):
        text, at = run.group(), run.start()
        if run.lastgroup is None:
            if len(text) <= _RUN_LIMIT and text not in stop:
                yield stem(text), at, run.end()
            continue
        if reworded and (changed := folding.reworded(text)):
            yield from _places(rjieba.cut(changed.text), at, changed)
            continue
        for word in rjieba.cut(text):
            end = at + len(word)
            if word not in stop:
                yield word, at, end
            at = end


def _places(words: Sequence[str], at: int, changed: folding.Reworded) -> Iterator[tuple[str, int, int]]:
    """Words of a run in which some were exchanged, where they stood in the run that begins at a place."""
    place = 0
    for word in words:
        start, place = place, place + len(word)
        if word not in word_set("analyzer", "stop"):
            begin, end = changed.place(start, place)
            yield word, at + begin, at + end


def words(text: str) -> list[str]:
    """Return the words of `text` in order."""
    return [token.word for token in tokens(fold(text))]


def bigrams(text: str) -> list[str]:
    """Return every pair of neighbouring Chinese characters of `text`, and its Latin runs whole."""
    found: list[str] = []
    folded = fold(text)
    reworded = folding.may_be_reworded(folded)
    for match in _RUN.finditer(folded):
        run = match.group()
        if not is_han(run):
            if len(run) <= _RUN_LIMIT:
                found.append(stem(run))
            continue
        if reworded and (changed := folding.reworded(run)):
            run = changed.text
        if len(run) == 1:
            found.append(run)
        else:
            found.extend(run[at : at + 2] for at in range(len(run) - 1))
    return found
