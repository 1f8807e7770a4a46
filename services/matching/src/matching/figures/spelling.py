"""Units as they stand in text behind a number: where one ends, and when the letters are none."""

import re
from collections.abc import Mapping
from functools import cache
from typing import Final, NamedTuple

from matching.engine.tables import table
from matching.figures.folding import fold
from matching.figures.units import vocabulary

_LONGEST: Final = 8
_MOST_PARTS: Final = 4
_POWER: Final = re.compile(r"(\^?-\^?|\^)([1-9])(?![0-9])")
_PLAIN_POWER: Final = re.compile(r"[23](?![0-9])")
_JOIN: Final = re.compile(r" ?([/*每]) ?|( )")
_MULTIPLIER: Final = re.compile(r"百万|千万|万亿|百亿|千亿|十万|[十百千万亿]")


class Spelled(NamedTuple):
    """A unit found in text, as far as its end."""

    text: str
    end: int


def unit_at(text: str, at: int) -> Spelled | None:
    """Return the unit that begins at a place of a folded text, with its multiplier (5 万次), if one does."""
    begin = at
    end = _compound(text, at)
    if end is None:
        multiplier = _MULTIPLIER.match(text, at)
        end = _compound(text, multiplier.end()) if multiplier else None
    if end is None or text[begin:end] in _not_alone():
        return None
    return Spelled(text[begin:end], end)


def multiplier_at(text: str, at: int) -> tuple[float, int] | None:
    """Return a word for a number that begins at a place, 万 or 亿, and where it ends."""
    found = _MULTIPLIER.match(text, at)
    return (table("units")["multipliers"][found.group()], found.end()) if found else None


def _compound(text: str, at: int) -> int | None:
    """The end of atoms joined by / and ·. A join without an atom behind it belongs to the text."""
    end = _powered(text, at)
    for _ in range(_MOST_PARTS):
        join = _JOIN.match(text, end) if end is not None else None
        if join is None or end is None:
            return end
        further = _operand(text, join.end())
        if further is None or (join[2] and not _POWER.search(text, join.end(), further)):
            return end
        end = further
    return end


def _operand(text: str, at: int) -> int | None:
    if text[at : at + 1] != "(":
        return _powered(text, at)
    end = _compound(text, at + 1)
    return end + 1 if end is not None and text[end : end + 1] == ")" else None


def _powered(text: str, at: int) -> int | None:
    end = _atom(text, at)
    if end is None:
        return None
    power = _POWER.match(text, end)
    if power is None and text[end - 1] == "m" and text[at:end].isascii():
        power = _PLAIN_POWER.match(text, end)
    if power is not None:
        return power.end()
    return None if text[end - 1].isalpha() and text[end - 1].isascii() and text[end : end + 1].isdigit() else end


def _atom(text: str, at: int) -> int | None:
    names = _readable()
    for length in range(_LONGEST, 0, -1):
        name = text[at : at + length]
        if len(name) == length and name in names and _ends(text, name, at + length):
            return at + length
    return None


def _ends(text: str, name: str, end: int) -> bool:
    following = text[end : end + 1]
    if not following:
        return True
    last = name[-1]
    if last.isascii() and last.isalpha() and ((following.isascii() and following.isalpha()) or following in "μΩ_"):
        return False
    return following not in _continuing(name)


def _continuing(name: str) -> str:
    return _parts_of_words().get(name, "")


@cache
def _parts_of_words() -> Mapping[str, str]:
    return {unit: str(signs) for unit, signs in table("units")["part_of_a_word"].items()}


@cache
def _readable() -> frozenset[str]:
    own = (fold(unit).text for unit in table("units")["own"]["units"])
    return frozenset(name for name in (*vocabulary(), *own) if len(name) <= _LONGEST)


@cache
def _not_alone() -> frozenset[str]:
    return frozenset(fold(unit).text for unit in table("units")["not_alone"]["units"])
