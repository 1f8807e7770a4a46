"""How Chinese characters are read, and what pinyin typed in Latin letters says. Tones are left out, ü is written v."""

from collections.abc import Sequence
from functools import cache, lru_cache
from importlib import resources
from typing import Final

_MOST_SYLLABLES: Final = 20
_LONGEST: Final = 6
"""Letters of the longest syllable (zhuang)."""

type Readings = tuple[str, ...]
"""How a character is read: one syllable, or two, the usual one first; empty for what is not Chinese."""


@cache
def _table() -> tuple[dict[str, Readings], frozenset[str]]:
    text = resources.files("matching").joinpath("data", "pinyin.txt").read_text(encoding="utf-8")
    first: dict[str, str] = {}
    second: dict[str, str] = {}
    for line in text.splitlines():
        if not line.startswith("#"):
            syllable, usual, other = line.split(" ")
            first.update(dict.fromkeys(usual, syllable))
            second.update(dict.fromkeys(other, syllable))
    readings: dict[str, Readings] = {
        character: (syllable, second[character]) if character in second else (syllable,)
        for character, syllable in first.items()
    }
    return readings, frozenset(first.values()) | frozenset(second.values())


def readings(character: str) -> Readings:
    """Return how one character is read."""
    return _table()[0].get(character, ())


def sound_alike(one: str, other: str) -> bool:
    """Tell whether two characters can be read the same."""
    return one == other or not set(readings(one)).isdisjoint(readings(other))


@lru_cache(maxsize=1024)
def parsed(letters: str) -> Readings:
    """Return the syllables that a run of Latin letters spells, in as few as possible; empty where it spells none.

    `chunengbianliuqi` is chu neng bian liu qi. A run of one syllable is taken for a word of another language.
    """
    known = _table()[1]
    best: list[Sequence[str] | None] = [None] * (len(letters) + 1)
    best[0] = ()
    for end in range(1, len(letters) + 1):
        for start in range(max(0, end - _LONGEST), end):
            before = best[start]
            syllable = letters[start:end]
            if before is None or len(before) == _MOST_SYLLABLES or syllable not in known:
                continue
            found = best[end]
            if found is None or len(before) + 1 < len(found):
                best[end] = (*before, syllable)
    whole = best[-1]
    return tuple(whole) if whole is not None and len(whole) > 1 else ()
