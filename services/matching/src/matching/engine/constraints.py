"""Technical constraints of a need, checked against the figures of a result: met, near, unmet or unknown.

Unknown is never met. Only structured figures are read, and only those of the same name and a comparable unit.
"""

import math
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from qianqiao_contracts import Comparator, Constraint, ConstraintCheck, Figure, Level, Measured, Verdict

from matching.engine.tables import table
from matching.engine.units import to_base

_NEAR: Final[float] = table("units")["near"]["share"]
_REST: Final = " \t　:：()（）"
_LABEL: Final = 120
"""Longest text of a check that the contract takes."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A set of values between two ends, in the base unit; open ends are left out."""

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


def check_all(constraints: Sequence[Constraint], measured: Sequence[Measured]) -> tuple[ConstraintCheck, ...]:
    """Check every constraint of a need, in its order."""
    return tuple(_check(constraint, measured) for constraint in constraints)


def fails_a_must(constraints: Sequence[Constraint], checks: Sequence[ConstraintCheck]) -> bool:
    """Tell whether a constraint that has to be met is known not to be. Such a pair is never proposed."""
    return any(
        constraint.level is Level.MUST and check.verdict is Verdict.UNMET
        for constraint, check in zip(constraints, checks, strict=True)
    )


def _check(constraint: Constraint, measured: Sequence[Measured]) -> ConstraintCheck:
    verdicts = [(_verdict(constraint, figure), figure) for figure in measured if _same(constraint.name, figure.name)]
    known = [(verdict, figure) for verdict, figure in verdicts if verdict is not Verdict.UNKNOWN]
    # A result that states a figure twice and contradicts itself is taken at its worst word.
    verdict, figure = max(known, key=lambda pair: _SEVERITY[pair[0]]) if known else (Verdict.UNKNOWN, None)
    shown = figure or (verdicts[0][1] if verdicts else None)
    return ConstraintCheck(
        name=constraint.name, verdict=verdict, need=written(constraint), result=written(shown) if shown else None
    )


_SEVERITY: Final = {Verdict.MET: 0, Verdict.NEAR: 1, Verdict.UNMET: 2}


def _verdict(constraint: Constraint, figure: Measured) -> Verdict:
    quantity, factor = to_base(constraint.unit)
    shown_quantity, shown_factor = to_base(figure.unit)
    if quantity != shown_quantity:
        return Verdict.UNKNOWN
    wanted, shown = _interval(constraint, factor), _interval(figure, shown_factor)
    if shown.inside(wanted):
        return Verdict.MET
    if _distance(wanted, shown) <= _NEAR:
        return Verdict.NEAR
    return Verdict.UNKNOWN if shown.touches(wanted) else Verdict.UNMET


def _interval(figure: Figure, factor: float) -> Interval:
    value = _clean(figure.value * factor)
    slack = figure.tolerance or 0.0
    match figure.comparator:
        case Comparator.GE | Comparator.GT:
            least = _clean((figure.value - slack) * factor)
            return Interval(least, math.inf, low_open=figure.comparator is Comparator.GT)
        case Comparator.LE | Comparator.LT:
            most = _clean((figure.value + slack) * factor)
            return Interval(-math.inf, most, high_open=figure.comparator is Comparator.LT)
        case Comparator.BETWEEN:
            end = figure.value if figure.value_to is None else figure.value_to
            return Interval(_clean((figure.value - slack) * factor), _clean((end + slack) * factor))
    return (
        Interval(_clean((figure.value - slack) * factor), _clean((figure.value + slack) * factor))
        if slack
        else (Interval(value, value))
    )


def _clean(value: float) -> float:
    """Twelve digits: 5000 × 1e-6 and 5 × 1e-3 are the same length."""
    return float(f"{value:.12g}")


def _distance(wanted: Interval, shown: Interval) -> float:
    """How far the worst shown value misses the wanted ones, as a share of the limit it misses."""
    missed = 0.0
    for limit, worst in ((wanted.low, wanted.low - shown.low), (wanted.high, shown.high - wanted.high)):
        if math.isfinite(limit) and worst >= 0:
            missed = max(missed, worst / abs(limit) if limit else math.inf if worst else 0.0)
    return missed


def _same(name: str, other: str) -> bool:
    return _fold(name) == _fold(other)


def _fold(name: str) -> str:
    folded = unicodedata.normalize("NFKC", name).lower()
    return "".join(character for character in folded if character not in _REST)


def written(figure: Figure) -> str:
    """Return a figure as people write it: `≥ 5 MPa`, `20–80 ℃`, `10 ± 0.5 mm`."""
    number = f"{figure.value:g}"
    if figure.comparator is Comparator.BETWEEN and figure.value_to is not None:
        text = f"{number}–{figure.value_to:g}"
    elif figure.comparator is Comparator.EQ:
        text = number
    else:
        text = f"{figure.comparator.value} {number}"
    if figure.tolerance:
        text += f" ± {figure.tolerance:g}"
    return f"{text} {figure.unit}".strip()[:_LABEL]
