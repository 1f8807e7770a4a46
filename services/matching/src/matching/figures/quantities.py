"""Quantities as they stand in text: numbers, ranges, tolerances, a unit, and nothing around them."""

import re
from dataclasses import dataclass
from functools import cache
from typing import Final, NamedTuple

from qianqiao_contracts import Comparator

from matching.engine.tables import table
from matching.figures.folding import Folded
from matching.figures.numbers import Digits, is_year, number_at
from matching.figures.spelling import Spelled, multiplier_at, unit_at
from matching.figures.statements import Statement
from matching.figures.units import convert, unit_of
from matching.figures.words import limit, word_behind

_RANGE: Final = re.compile(r" ?(\\?~|-{1,2}|至|到|to(?= )) ?")
_PAIR: Final = re.compile(r" ?(与|和|and) ?")
_TOLERANCE: Final = re.compile(r" ?(?:±|\+/-|\+-) ?")
_RUNS_ON: Final = re.compile(r"[=^]|\+(?!/?-)| ?/ ?[A-Za-z(]")
_CLOSING: Final = "，。；、！？：,.;!?)）"
_SIGNED: Final = frozenset({"°C", "°F", "dB", "dBm"})
"""Units with which a dash after a word is a minus: 温度-20℃."""


@dataclass(frozen=True, slots=True)
class Quantity:
    """Numbers and unit as they stand, before anything around them is looked at."""

    said: Statement
    start: int
    end: int
    is_range: bool


class _Further(NamedTuple):
    """A second number, behind a tolerance sign or at the end of a range, with what follows it."""

    digits: Digits
    unit: Spelled | None
    scale: float
    end: int


class Quantities:
    """The quantities of one text: the original, its folded form, and that in small letters."""

    def __init__(self, original: str, folded: Folded, lower: str) -> None:
        self._original = original
        self._folded = folded
        self._text = folded.text
        self._lower = lower

    def at(self, digits: Digits) -> Quantity | None:
        """Return the quantity whose first number this is, None where it is no figure: a year, a model, a list."""
        text = self._text
        unit, scale, end = self._unit(digits.end)
        if unit is not None and unit.text in {"年", "s"} and is_year(text, digits):
            return None  # 2016年, the 1980s
        if unit is not None and _RUNS_ON.match(text, end):
            return None  # of a formula, or a unit that goes on in a way that is not known
        if unit is not None and self._is_no_unit(digits, unit, end):
            return None
        value = digits.value * scale
        start = digits.start
        tolerance = self._tolerance(end)
        if tolerance is not None:
            return self._with_tolerance(digits, value, unit, tolerance)
        if text[start - 1 : start] == "±" and start > 0:
            said = Statement(Comparator.EQ, 0.0, None, self._written(unit), value)
            return Quantity(said, start - 1, end, False) if unit else None
        further = self._range(digits, end)
        if further is not None:
            return self._ranging(digits, value, unit, further)
        value, start = self._signed(digits, value, unit)
        if unit is None and self._runs_on(end):
            return None
        return Quantity(Statement(Comparator.EQ, value, None, self._written(unit)), start, end, False)

    def _unit(self, at: int) -> tuple[Spelled | None, float, int]:
        """Unit, factor of a word for a number where no unit follows it, and where both end."""
        text = self._text
        begin = at + 1 if text[at : at + 1] == " " else at
        unit = unit_at(text, begin)
        if unit is not None:
            return unit, 1.0, unit.end
        multiplied = multiplier_at(text, begin)
        return (None, multiplied[0], multiplied[1]) if multiplied else (None, 1.0, at)

    def _written(self, unit: Spelled | None) -> str:
        """The unit as it stands in the original."""
        if unit is None:
            return ""
        start, end = unit.end - len(unit.text), unit.end
        return self._original[self._folded.place(start) : self._folded.place(end)].strip()

    def _is_no_unit(self, digits: Digits, unit: Spelled, end: int) -> bool:
        """Whether the number counts things (12 个品系), is a grade of steel (316L), or a confidence."""
        if unit.text in _listed("counting", "units"):
            behind = self._text[end : end + 1]
            goes_on = not _is_han(behind) or behind in table("units")["counting"]["go_on"]
            found = word_behind(self._lower, end, len(self._lower))
            return not goes_on and (found is None or len(found.word) == 1)  # 1 个内含子
        if unit.text == "%" and self._lower[end : end + 4].lstrip().startswith(("ci", "置信", "可信")):
            return True  # 95% CI
        return self._text[digits.start : end] in _listed("designations", "words")

    def _signed(self, digits: Digits, value: float, unit: Spelled | None) -> tuple[float, int]:
        if digits.sign is not None:
            return -value, digits.sign
        if self._text.endswith("零下", 0, digits.start):
            return -value, digits.start - 2
        # After a Chinese word a dash may be either; with a temperature or a level it is a minus.
        before = self._text[digits.start - 1 : digits.start]
        earlier = self._text[digits.start - 2 : digits.start - 1] if digits.start > 1 else ""
        if (
            before == "-"
            and unit is not None
            and unit.text in _SIGNED
            and not (earlier.isascii() and earlier.isalnum())
        ):
            return -value, digits.start - 1
        return value, digits.start

    def _runs_on(self, end: int) -> bool:
        """Whether something stands behind a number without a unit that makes it no plain number: 3D, 100家, 2-3."""
        behind = self._text[end : end + 1]
        if not behind or behind.isspace() or behind in _CLOSING:
            return False
        return word_behind(self._lower, end, len(self._lower)) is None

    def _tolerance(self, at: int) -> _Further | None:
        found = _TOLERANCE.match(self._text, at)
        digits = number_at(self._text, found.end()) if found else None
        if digits is None:
            return None
        end = digits.end + 1 if self._text[digits.end : digits.end + 1] == ")" else digits.end
        unit, scale, end = self._unit(end)
        return _Further(digits, unit, scale, end)

    def _with_tolerance(self, digits: Digits, value: float, unit: Spelled | None, other: _Further) -> Quantity | None:
        slack, slack_unit, scale, end = other
        tolerance = slack.value * scale
        if unit is not None and slack_unit is not None and unit.text != slack_unit.text:
            if slack_unit.text == "%":
                tolerance = abs(value) * tolerance / 100
            else:
                return None
        value, start = self._signed(digits, value, unit or slack_unit)
        written = self._written(unit or slack_unit)
        return Quantity(Statement(Comparator.EQ, value, None, written, abs(tolerance)), start, end, True)

    def _range(self, digits: Digits, at: int) -> _Further | None:
        """The second number of a range, with its unit."""
        found = _RANGE.match(self._text, at) or (_PAIR.match(self._text, at) if self._is_between(digits) else None)
        other = number_at(self._text, found.end()) if found else None
        if found is None or other is None:
            return None
        end = other.end + 1 if self._text[other.end : other.end + 1] == ")" else other.end
        unit, scale, end = self._unit(end)
        if unit is None and scale == 1.0 and found[1].startswith("-") and self._text[at - 1 : at].isdigit():
            return None  # 138-1234: numbers joined by dashes without a unit are no range
        if self._text[other.end : other.end + 1] == "-" and self._text[other.end + 1 : other.end + 2].isdigit():
            return None
        return _Further(other, unit, scale, end)

    def _is_between(self, digits: Digits) -> bool:
        before = self._lower[max(0, digits.start - limit("window")) : digits.start].rstrip()
        return before.endswith(("介于", "在", "between", "从", "处于"))

    def _ranging(self, digits: Digits, value: float, unit: Spelled | None, other: _Further) -> Quantity | None:
        second, second_unit, scale, end = other
        shared = unit or second_unit
        if shared is not None and shared.text == "年" and is_year(self._text, digits):
            return None
        if unit is None and scale != 1.0:
            value *= scale  # 1~5万
        if shared is None and scale == 1.0:
            return None
        value, start = self._signed(digits, value, shared)
        high = second.value * scale
        if unit is not None and second_unit is not None and unit.text != second_unit.text:
            first, last = unit_of(self._written(unit)), unit_of(self._written(second_unit))
            if first.quantity != last.quantity:
                return None
            high = convert(high, last, first)
        low, high = sorted((value, high))
        comparator = Comparator.EQ if low == high else Comparator.BETWEEN
        said = Statement(comparator, low, None if low == high else high, self._written(shared))
        return Quantity(said, start, end, True)


def _is_han(character: str) -> bool:
    return "\u3400" <= character <= "\u9fff"


@cache
def _listed(section: str, name: str) -> frozenset[str]:
    return frozenset(table("units")[section][name])


def _is_latin(character: str) -> bool:
    return character.isascii() and character.isalnum()
