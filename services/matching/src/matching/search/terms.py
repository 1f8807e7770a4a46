"""Terms by which a text is found although its words are misspelt: neighbouring syllables, and threes of Latin letters.

They stand beside the words in the index and weigh less. Misspelt Chinese is most often another character read the
same, because it was typed in pinyin; so what two neighbouring characters sound like is what finds it.
"""

import re
from collections.abc import Iterable, Iterator
from itertools import pairwise, product
from typing import Final

from matching.engine.analyzer import fold, is_han
from matching.search.pinyin import parsed, readings

RUN: Final = re.compile("[\u3007\u3400-\u4dbf\u4e00-\u9fff]+|[a-z]+|[0-9]+")
_LATIN_LEAST: Final = 4
"""Shorter Latin words are not looked for by their letters: too many others share them."""
_PAIR, _LETTERS, _INITIALS = "'", "~", "="


def sounds(text: str) -> Iterator[str]:
    """Yield the terms of a text to be indexed: pairs of syllables, letters in threes, and initials of each run."""
    for run in runs(text):
        if is_han(run):
            yield from _pairs([readings(character) for character in run])
            if first := initials(run):
                yield _INITIALS + first
        else:
            yield from _threes(run)


def asked(text: str) -> Iterator[str]:
    """Yield the terms by which a text that somebody typed is looked for, also where it is pinyin."""
    for run in runs(text):
        if is_han(run):
            yield from _pairs([readings(character) for character in run])
        elif syllables := parsed(run):
            yield from _pairs([(syllable,) for syllable in syllables])
        else:
            yield from _threes(run)
            yield _INITIALS + run


def initials(run: str) -> str:
    """Return the first letters of how a run of Chinese characters is read, empty where one of them has no reading."""
    spoken = [readings(character) for character in run]
    return "".join(each[0][0] for each in spoken) if len(run) > 1 and all(spoken) else ""


def runs(text: str) -> list[str]:
    """Return the runs of Chinese characters, of Latin letters and of digits in a text, folded."""
    return RUN.findall(fold(text))


def _pairs(spoken: Iterable[tuple[str, ...]]) -> Iterator[str]:
    for one, other in pairwise(spoken):
        for pair in product(one, other):
            yield _PAIR.join(pair)


def _threes(run: str) -> Iterator[str]:
    if len(run) < _LATIN_LEAST or run.isdigit():
        return
    edged = f"^{run}$"
    for at in range(len(edged) - 2):
        yield _LETTERS + edged[at : at + 3]
