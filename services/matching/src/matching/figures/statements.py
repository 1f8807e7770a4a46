"""What is said of a quantity: a comparator, numbers and a unit; and the interval of values that it leaves."""

import math
from dataclasses import dataclass
from typing import Final

from qianqiao_contracts import Comparator, Figure, Verdict

from matching.figures.units import Unit, cleaned, convert, near_share, tidy, unit_of

_LABEL: Final = 120
"""Longest text of a check that the contract takes."""


@dataclass(frozen=True, slots=True)
class Statement:
    """A figure without its name. `value` is the lower end of a range; `tolerance` is in the same unit."""

    comparator: Comparator
    value: float
    value_to: float | None = None
    unit: str = ""
    tolerance: float | None = None

    @classmethod
    def of(cls, figure: Figure) -> "Statement":
        """Return what a typed figure says."""
        return cls(figure.comparator, figure.value, figure.value_to, figure.unit, figure.tolerance)


@dataclass(frozen=True, slots=True)
class Interval:
    """A set of values between two ends; open ends are left out."""

    low: float
    high: float
    low_open: bool = False
    high_open: bool = False

    def inside(self, other: "Interval") -> bool:
        """Tell whether every value of this interval lies in `other`."""
        low = self.low > other.low or (self.low == other.low and (self.low_open or not other.low_open))
        high = self.high < other.high or (self.high == other.high and (self.high_open or not other.high_open))
        return low and high

    def touches(self, other: "Interval") -> bool:
        """Tell whether the two share a value."""
        return not (self._before(other) or other._before(self))

    def _before(self, other: "Interval") -> bool:
        return self.high < other.low or (self.high == other.low and (self.high_open or other.low_open))


def interval(said: Statement, into: Unit, *, difference: bool) -> Interval:
    """Return the values that a statement leaves, in the unit `into`. Raises ValueError for another quantity."""
    unit = unit_of(said.unit)
    slack = said.tolerance or 0.0

    def there(value: float) -> float:
        return convert(cleaned(value), unit, into, difference=difference)

    match said.comparator:
        case Comparator.GE | Comparator.GT:
            return Interval(there(said.value - slack), math.inf, low_open=said.comparator is Comparator.GT)
        case Comparator.LE | Comparator.LT:
            return Interval(-math.inf, there(said.value + slack), high_open=said.comparator is Comparator.LT)
        case Comparator.BETWEEN if said.value_to is not None:
            return Interval(there(said.value - slack), there(said.value_to + slack))
    return Interval(there(said.value - slack), there(said.value + slack))


def judge(wanted: Statement, shown: Statement, *, difference: bool) -> Verdict | None:
    """Return whether what is shown meets what is wanted; UNKNOWN where it may or may not. None: not comparable."""
    unit = unit_of(wanted.unit)
    if unit_of(shown.unit).quantity != unit.quantity:
        return None
    asked, have = interval(wanted, unit, difference=difference), interval(shown, unit, difference=difference)
    if have.inside(asked):
        return Verdict.MET
    if _distance(asked, have) <= near_share():
        return Verdict.NEAR
    return Verdict.UNKNOWN if have.touches(asked) else Verdict.UNMET


def _distance(wanted: Interval, shown: Interval) -> float:
    """How far the worst shown value misses the wanted ones, as a share of the limit it misses."""
    missed = 0.0
    for limit, worst in ((wanted.low, wanted.low - shown.low), (wanted.high, shown.high - wanted.high)):
        if math.isfinite(limit) and worst >= 0:
            missed = max(missed, worst / abs(limit) if limit else math.inf if worst else 0.0)
    return missed


def written(said: Figure | Statement) -> str:
    """Return a figure as people write it: `≥ 5 MPa`, `20–80 ℃`, `10 ± 0.5 mm`."""
    text = _numbers(said.comparator, said.value, said.value_to)
    if said.tolerance:
        text += f" ± {said.tolerance:g}"
    return f"{text} {said.unit}".strip()[:_LABEL]


def conversion(wanted: Statement, shown: Statement, *, difference: bool) -> str | None:
    """Return how what is shown becomes the unit of what is wanted, `50 μm = 0.05 mm`; None where it is the same."""
    have, into = unit_of(shown.unit), unit_of(wanted.unit)
    if tidy(shown.unit) == tidy(wanted.unit) or have.quantity != into.quantity:
        return None
    ends = [shown.value] if shown.value_to is None else [shown.value, shown.value_to]
    there = [convert(end, have, into, difference=difference) for end in ends]
    before, after = ("–".join(f"{end:.10g}" for end in values) for values in (ends, there))
    text = f"{before} {shown.unit} = {after} {wanted.unit}"
    return text if len(text) <= _LABEL else None


def _numbers(comparator: Comparator, value: float, value_to: float | None) -> str:
    number = f"{value:g}"
    if comparator is Comparator.BETWEEN and value_to is not None:
        return f"{number}–{value_to:g}"
    return number if comparator is Comparator.EQ else f"{comparator.value} {number}"
