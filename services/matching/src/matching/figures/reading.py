"""Reading figures in Chinese and English text: what is measured, the comparator, the numbers, the unit, the sentence.

Every number is looked at once, with a bounded stretch of text around it; so time grows with the length of the text.
What is not clear is left out: an unread figure makes a check unknown, a misread one makes it wrong.
"""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cache, lru_cache
from itertools import islice
from typing import Final

from qianqiao_contracts import Comparator

from matching.figures.folding import Folded, fold
from matching.figures.naming import (
    Scope,
    name_behind,
    name_of,
    names_a_figure,
    names_smaller_better,
    without_circumstance,
)
from matching.figures.numbers import numbers
from matching.figures.quantities import Quantities, Quantity
from matching.figures.statements import Statement
from matching.figures.units import unit_of
from matching.figures.words import BOUNDS, Word, limit, listed, pattern, says, word_before, word_behind

_REMEMBERED: Final = 2048
_CLAUSE: Final = re.compile(r"[，;；。！!？?\n、]|,(?![0-9])|\.(?![0-9])")
_SENTENCE: Final = re.compile(r"[;；。！!？?\n]|\.(?![0-9a-z])")
_CONNECTED: Final = re.compile(r"[ 、,，/]*(?:和|或|与|及|and|or)?[ ]*")
_COMPARED: Final = re.compile(r"比|较|相比|\bthan\b")
_FROM: Final = re.compile(r"从|由|\bfrom\b")
_TURNS: Final = re.compile(r" ?(?:[降升提增减缩扩改下上延][\u4e00-\u9fff]{0,3}|to |down to |up to )")
_RESPECTIVE: Final = re.compile(r"分别|respectively")
_NAMES: Final = re.compile(r"和|与|及|以及|、| and |, ")
_CLOSED: Final = re.compile(r"[，；。;\n]")
_EVIDENCE: Final = 160


class Stance(StrEnum):
    """What the text says a figure is. Only what is stated can show that a constraint is met or not."""

    STATED = "stated"
    RELATIVE = "relative"
    """A change: 提高了 30%."""
    NEGATED = "negated"
    """Said not to be so: 未达到 60 MPa."""
    INTENDED = "intended"
    BACKGROUND = "background"
    """Of something else: what there was before, what others have."""
    CONDITION = "condition"
    """A circumstance: 在 300 ℃ 下."""
    UNCLEAR = "unclear"
    """Of which figure it is cannot be told, or whether more or less of it is better."""


@dataclass(frozen=True, slots=True)
class Reading:
    """A figure read in a text. `start` and `end` are places in the text: comparators, numbers and unit."""

    name: str
    """The phrase that seems to name it; empty where none does."""
    said: Statement
    stance: Stance
    start: int
    end: int
    sentence: str
    scope: Scope
    """The part of the clause in which its name may stand."""
    limit: bool
    """Whether the text itself gives a limit (不大于, 以上, ≥), not just a value."""
    normative: bool = False
    """Whether that limit is worded as a demand (不低于) rather than as an observation (超过)."""


@lru_cache(maxsize=_REMEMBERED)
def read(text: str) -> tuple[Reading, ...]:
    """Return the figures that a text states, in order. Text beyond the limit is not read. Never raises."""
    cut = text[: limit("text")]
    if not any(character.isnumeric() for character in cut):
        return ()
    return tuple(respective(cut, list(islice(_Reader(cut).readings(), limit("readings")))))


@dataclass(frozen=True, slots=True)
class _Leading:
    """What the words before a number say."""

    bound: Word | None
    limit_word: str
    relative: bool
    start: int
    """Where those words begin: what is before may name the figure."""
    words: int
    """How many they are."""
    turned: bool
    """Whether they say that a change ends here: 缩短到."""


class _Reader:
    """One text with its boundaries."""

    def __init__(self, text: str) -> None:
        self._original = text
        self._folded: Folded = fold(text)
        self._text = self._folded.text
        lower = self._text.lower()
        self._lower = lower if len(lower) == len(self._text) else "".join(map(_lower, self._text))
        self._quantities = Quantities(text, self._folded, self._lower)
        self._clauses = [found.start() for found in _CLAUSE.finditer(self._text)]
        self._sentences = [found.start() for found in _SENTENCE.finditer(self._text)]

    def readings(self) -> Iterator[Reading]:
        """Read one quantity after the other."""
        done = 0
        previous: Reading | None = None
        places = (0, 0)
        for digits in numbers(self._text):
            if digits.start < done:
                continue
            quantity = self._quantities.at(digits)
            if quantity is None:
                continue
            reading, places_now = self._reading(quantity, previous, places)
            done = max(done, places_now[1])
            if reading is None:
                continue
            places = places_now
            previous = reading
            yield reading

    # ---- what stands around ------------------------------------------------------------------------------------------

    def _reading(
        self, quantity: Quantity, previous: Reading | None, places: tuple[int, int]
    ) -> tuple[Reading | None, tuple[int, int]]:
        """One figure, or None for a plain number that nothing says more of; and the places it takes."""
        clause = self._clause(quantity.start, quantity.end)
        leading = self._leading(quantity.start, clause[0])
        bound, end, behind = self._behind(quantity.end, clause[1])
        word = leading.bound or bound
        name, scope = self._naming(quantity, leading, (end, clause[1]), clause[0], (previous, places))
        if not quantity.said.unit and not ((word in BOUNDS or quantity.is_range) and names_a_figure(name)):
            return None, (quantity.start, quantity.end)
        comparator, unclear = self._comparator(quantity, word, name)
        stance = self._stance(clause[0], leading, behind, quantity, (end, clause[1]))
        if stance is Stance.RELATIVE:
            name = _before_comparison(name)
        if stance is Stance.CONDITION and not scope.before.strip():
            name = ""
        start = min(leading.start, quantity.start)
        reading = Reading(
            name,
            replace(quantity.said, comparator=comparator) if comparator else quantity.said,
            Stance.UNCLEAR if unclear and stance is Stance.STATED else stance,
            self._folded.place(self._first_word(start, quantity.start)),
            self._folded.place(end),
            self._sentence(quantity.start, end),
            scope,
            word in BOUNDS,
            word is not None and _is_normative(leading),
        )
        return reading, (start, end)

    def _naming(
        self,
        quantity: Quantity,
        leading: _Leading,
        rest: tuple[int, int],
        clause: int,
        before: tuple[Reading | None, tuple[int, int]],
    ) -> tuple[str, Scope]:
        """The name of a figure and where else in the clause it may stand: not beyond a figure of the same kind."""
        previous, places = before
        alike = previous is not None and _same_unit(previous.said.unit, quantity.said.unit)
        if previous is not None and alike and self._continues(places[1], leading.start):
            return previous.name, previous.scope
        floor = min(max(clause, places[1]) if alike else clause, leading.start)
        nearest = min(max(clause, places[1]), leading.start)
        near = self._text[nearest : leading.start]
        if previous is not None and nearest == places[1]:
            near = without_circumstance(near)
        name = name_of(near)
        if name:
            return name, Scope(self._lower[floor : leading.start], "")
        name = name_behind(self._text[rest[0] : rest[1]])
        return name, Scope(self._lower[floor : leading.start], name.lower())

    def _continues(self, end: int, start: int) -> bool:
        """Whether what stands between two figures only joins them: 5 mm、10 mm 和 15 mm."""
        return end <= start and _CONNECTED.fullmatch(self._text, end, start) is not None

    def _first_word(self, start: int, at: int) -> int:
        while start < at and self._text[start].isspace():
            start += 1
        return start

    def _clause(self, start: int, end: int) -> tuple[int, int]:
        """Begin and end of the clause, both within the window."""
        number = bisect_left(self._clauses, start)
        begin = self._clauses[number - 1] + 1 if number else 0
        after = bisect_left(self._clauses, end)
        close = self._clauses[after] if after < len(self._clauses) else len(self._text)
        return max(begin, start - limit("window")), min(close, end + limit("window"))

    def _leading(self, start: int, floor: int) -> _Leading:
        at, bound, limit_word = start, None, ""
        relative = arrived = False
        words, turned = 0, False
        for _ in range(6):
            while at > floor and self._lower[at - 1] in " (\t":
                at -= 1
            found = word_before(self._lower, at, floor)
            if found is None or (found.meaning in BOUNDS and bound is not None):
                break
            if found.meaning is Word.RELATIVE:
                if not arrived:
                    relative, at = True, found.end
                break
            if found.meaning in BOUNDS:
                bound, limit_word = found.meaning, found.word
            arrived = arrived or found.word[-1] in "到至为成达=:：" or found.word in {"to", "is", "of", "was"}
            turned = turned or (len(found.word) > 2 and found.word[-1] in "到至" and found.meaning is Word.REACH)
            at, words = found.end, words + 1
        return _Leading(bound, limit_word, relative, at, words, turned)

    def _behind(self, end: int, limit_at: int) -> tuple[Word | None, int, bool]:
        """A limit behind the unit, where it ends, and whether what follows makes it a change."""
        at = end + 1 if self._text[end : end + 1] == " " else end
        found = word_behind(self._lower, at, limit_at)
        if found is None:
            return None, end, False
        if found.meaning is Word.RELATIVE:
            return None, end, True
        return (found.meaning if found.meaning in BOUNDS else None), found.end, False

    def _comparator(self, quantity: Quantity, word: Word | None, name: str) -> tuple[Comparator | None, bool]:
        """The comparator, None where the numbers give it; and whether the direction stays open."""
        if quantity.is_range or word is None or quantity.said.tolerance:
            return None, False
        if word is Word.BETTER:
            smaller = names_smaller_better(name)
            return (None, True) if smaller is None else (Comparator.LT if smaller else Comparator.GT, False)
        return _COMPARATORS[word], False

    def _stance(
        self,
        clause: int,
        leading: _Leading,
        relative_behind: bool,
        quantity: Quantity,
        rest: tuple[int, int],
    ) -> Stance:
        before = self._lower[clause : quantity.start]
        behind = self._lower[rest[0] : min(rest[1], rest[0] + 12)]
        if leading.relative or relative_behind or self._is_compared(before, leading, quantity):
            return Stance.RELATIVE
        if says(before, "stance", "negated", "negated_en") or pattern("stance", "negated").search(behind):
            return Stance.NEGATED
        if _FROM.search(self._lower, clause, quantity.start) and _TURNS.match(behind):
            return Stance.BACKGROUND  # 从 50 μm 降到 5 μm: the first is what it was
        if behind.lstrip().startswith(_conditions()):
            return Stance.CONDITION
        # What the clause says of before is not said of where a change ends.
        if not leading.turned and says(before, "stance", "background", "background_en"):
            return Stance.BACKGROUND
        if says(before, "stance", "intended", "intended_en"):
            return Stance.INTENDED
        return Stance.STATED

    def _is_compared(self, before: str, leading: _Leading, quantity: Quantity) -> bool:
        """比…高 30%: said of a share or a multiple, without a verb that says where it arrived."""
        if quantity.said.unit not in {"%", "％", "倍"} or leading.words:
            return False
        return _COMPARED.search(before) is not None

    def _sentence(self, start: int, end: int) -> str:
        number = bisect_right(self._sentences, start)
        begin = self._sentences[number - 1] + 1 if number else 0
        after = bisect_left(self._sentences, end)
        close = self._sentences[after] if after < len(self._sentences) else len(self._text)
        first, last = self._folded.place(begin), self._folded.place(close)
        whole = self._original[first:last].strip()
        if len(whole) <= _EVIDENCE:
            return whole
        around = max(first, min(self._folded.place(start) - _EVIDENCE // 2, last - _EVIDENCE))
        return f"…{self._original[around : around + _EVIDENCE].strip()}…"


_COMPARATORS: Final = {
    Word.GE: Comparator.GE,
    Word.LE: Comparator.LE,
    Word.GT: Comparator.GT,
    Word.LT: Comparator.LT,
}


@cache
def _conditions() -> tuple[str, ...]:
    return listed("condition", "behind") + listed("condition", "behind_en")


_DEMANDS: Final = "不至最≥≤<>="
_OBSERVED: Final = frozenset(
    {"不足", "不到", "不止", "不超", "不会低于", "不会小于", "不会超过", "不会大于", "不会高于"}
)


def _is_normative(leading: _Leading) -> bool:
    """Tell whether a limit is worded as a demand: 不低于, ≥, 5 mm 以内; 可达 5 mm 以上 reports."""
    if leading.bound is None:
        return leading.words == 0
    demanded = leading.limit_word[0] in _DEMANDS or "等于" in leading.limit_word
    return demanded and leading.limit_word not in _OBSERVED


def _before_comparison(name: str) -> str:
    """成本比进口产品: the cost."""
    return _COMPARED.split(name)[0] or name


def _same_unit(one: str, other: str) -> bool:
    return one == other or unit_of(one).quantity == unit_of(other).quantity


def _lower(character: str) -> str:
    lowered = character.lower()
    return lowered if len(lowered) == 1 else character


def stated(readings: Sequence[Reading]) -> list[Reading]:
    """Return those that say what is so."""
    return [reading for reading in readings if reading.stance is Stance.STATED]


# ---- 分别: several names, then several figures -----------------------------------------------------------------------


def respective(text: str, readings: list[Reading]) -> list[Reading]:
    """Give each of several figures its own name: 抗压强度和抗拉强度分别达到 60 MPa 和 5 MPa.

    Where names and figures are not equally many, it cannot be told which is which.
    """
    done: list[Reading] = []
    at = 0
    while at < len(readings):
        group = _group(text, readings, at)
        done += _named_each(text, group) if len(group) > 1 or _is_respective(text, group) else group
        at += len(group)
    return done


def _group(text: str, readings: Sequence[Reading], at: int) -> list[Reading]:
    group = [readings[at]]
    for following in readings[at + 1 :]:
        if not _CONNECTED.fullmatch(text, group[-1].end, max(group[-1].end, following.start)):
            break
        group.append(following)
    return group


def _is_respective(text: str, group: Sequence[Reading]) -> bool:
    first, last = group[0], group[-1]
    window = text[max(0, first.start - 8) : first.end] + text[last.end : last.end + 16]
    return _RESPECTIVE.search(window) is not None


def _named_each(text: str, group: list[Reading]) -> list[Reading]:
    if not _is_respective(text, group):
        return group
    before = text[max(0, group[0].start - limit("window")) : group[0].start]
    names = [name_of(part) for part in _NAMES.split(_CLOSED.split(before)[-1])]
    if len(names) != len(group) or not all(names):
        return [replace(reading, stance=Stance.UNCLEAR) for reading in group]
    return [
        replace(reading, name=name, scope=Scope(name.lower(), "")) for reading, name in zip(group, names, strict=True)
    ]
