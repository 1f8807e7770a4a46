"""Constraints that a need states only in its texts. They are wishes, never musts, and only where they are clear."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from qianqiao_contracts import Comparator, Constraint, Level

from matching.figures.naming import names_a_figure, names_for
from matching.figures.reading import Reading, Stance, read
from matching.figures.units import unit_of
from matching.figures.words import pattern

_REMEMBERED: Final = 1024
_MOST: Final = 10
_LONGEST_UNIT: Final = 32
_LIMITS: Final = frozenset({Comparator.GE, Comparator.GT, Comparator.LE, Comparator.LT})


@dataclass(frozen=True, slots=True)
class Wanted:
    """A constraint and the sentence of the need that says it."""

    constraint: Constraint
    evidence: str


@lru_cache(maxsize=_REMEMBERED)
def derived(
    typed: tuple[Constraint, ...], *, demands: tuple[str, ...], background: tuple[str, ...]
) -> tuple[Wanted, ...]:
    """Return the wishes read from texts, at most ten, each figure once, without those that are typed.

    `demands` say what is wanted; `background` tells how things are, and asks only where it says so.
    """
    taken = {spelling for constraint in typed for names in names_for(constraint.name) for spelling in names}
    found: list[Wanted] = []
    for reading in _demanding(demands, background):
        own, others = names_for(reading.name)
        if not taken.isdisjoint((*own, *others)) or any(own[0].endswith(name) for name in taken):
            continue
        taken.update((*own, *others))
        found.append(Wanted(_wish(reading), reading.sentence))
        if len(found) == _MOST:
            break
    return tuple(found)


def _demanding(demands: Sequence[str], background: Sequence[str]) -> Iterator[Reading]:
    for texts, plainly in ((demands, True), (background, False)):
        for text in texts:
            yield from (reading for reading in read(text) if _is_clear(reading) and _is_asked(reading, plainly))


def _is_clear(reading: Reading) -> bool:
    """A name that is one, an explicit limit, a unit that exists."""
    return (
        reading.stance in {Stance.STATED, Stance.INTENDED}
        and reading.limit
        and reading.said.comparator in _LIMITS
        and 0 < len(reading.said.unit) <= _LONGEST_UNIT
        and unit_of(reading.said.unit).known
        and names_a_figure(reading.name)
    )


def _is_asked(reading: Reading, plainly: bool) -> bool:
    """A limit worded as a demand asks by itself where demands stand; elsewhere the sentence has to wish it."""
    return (plainly and reading.normative) or pattern("derived", "wishes").search(reading.sentence.lower()) is not None


def _wish(reading: Reading) -> Constraint:
    said = reading.said
    return Constraint(name=reading.name, comparator=said.comparator, value=said.value, unit=said.unit, level=Level.WISH)
