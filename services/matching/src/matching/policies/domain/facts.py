"""What is known of a firm, brought to one measure, and how one condition judges it."""

import unicodedata
from collections.abc import Callable, Mapping
from enum import IntEnum
from fractions import Fraction
from functools import cache
from typing import Final, NamedTuple

from qianqiao_contracts import Operator

from matching.engine.tables import table

type Plain = bool | float | int | str
type Given = Plain | tuple[Plain, ...]
"""A value as people and events give it."""


class Verdict3(IntEnum):
    """Three values (Kleene): 不符合, 缺数据, 符合. `all` is their minimum, `any` their maximum."""

    NO = -1
    UNKNOWN = 0
    YES = 1


class Key(NamedTuple):
    """Which fact: the field, the period it belongs to ("" for as it is now), and of the entity or its group."""

    field: str
    period: str = ""
    scope: str = "entity"


class Amount(NamedTuple):
    """A number in the base unit of its quantity. Two of different quantities cannot be compared."""

    quantity: str
    base: float


type Known = Amount | str | bool | tuple[str, ...]
"""A fact as it is compared: numbers in base units, texts folded."""

type Judge = Callable[[Known | None], int]
"""Judges one fact: one of the values of Verdict3 (as plain int, for speed)."""

NO, UNKNOWN, YES = int(Verdict3.NO), int(Verdict3.UNKNOWN), int(Verdict3.YES)


@cache
def _units() -> Mapping[str, tuple[str, Fraction]]:
    data = table("policy_units")
    return {
        fold(unit): (quantity, Fraction(factor))
        for quantity, units in data.items()
        if isinstance(units, dict)
        for unit, factor in units.items()
    }


def fold(text: str) -> str:
    """Return a text as it is compared: NFKC, without blanks, in lower case."""
    return "".join(unicodedata.normalize("NFKC", text).split()).casefold()


def factor_of(unit: str | None) -> tuple[str, Fraction]:
    """Return quantity and exact factor to the base unit; a unit that is not listed is a quantity of its own."""
    folded = fold(unit or "")
    return _units().get(folded, (f"unit:{folded}", Fraction(1)))


def exactly(number: float) -> Fraction:
    """Return the number as it was written: 0.1 is a tenth and not its nearest binary fraction."""
    return Fraction(repr(number)) if isinstance(number, float) else Fraction(number)


def amount(number: float, unit: str | None) -> Amount:
    """Return a number in base units.

    The conversion is exact and rounded once at its end, so equal decimals stay equal and none change places; numbers
    that differ only beyond their fifteenth digit may become equal.
    """
    quantity, factor = factor_of(unit)
    return Amount(quantity, float(exactly(number) * factor))


def known(value: Given, unit: str | None = None) -> Known:
    """Return a given value as it is compared. Members of a list are compared as texts, numbers in base units."""
    if isinstance(value, bool):
        return value
    if isinstance(value, tuple):
        return tuple(_as_text(known(each, unit)) for each in value)
    if isinstance(value, str):
        return fold(value)
    return amount(value, unit)


# ---- one comparison -------------------------------------------------------------------------------------------------

_ORDER: Final[Mapping[Operator, Callable[[float, float], bool]]] = {
    Operator.LT: lambda have, want: have < want,
    Operator.LE: lambda have, want: have <= want,
    Operator.GE: lambda have, want: have >= want,
    Operator.GT: lambda have, want: have > want,
    Operator.EQ: lambda have, want: have == want,
    Operator.NE: lambda have, want: have != want,
}


def judge(op: Operator, want: Known | None) -> Judge:
    """Return the function that judges a fact by `op` and `want`.

    It answers UNKNOWN for a fact that is missing and for one that cannot be compared: another quantity, a text where a
    number is asked for. Nothing is guessed. A fact that is a list counts as each of its members.
    """
    if op is Operator.PRESENT:
        return _present
    if op in (Operator.IN, Operator.NOT_IN):
        members = want if isinstance(want, tuple) and not isinstance(want, Amount) else ()
        return _membership(frozenset(members), op is Operator.IN)
    if isinstance(want, Amount):
        return _ordered(want, _ORDER[op])
    if op in (Operator.EQ, Operator.NE) and isinstance(want, bool):
        return _flag(want, op is Operator.EQ)
    if op in (Operator.EQ, Operator.NE) and isinstance(want, str):
        return _membership(frozenset({want}), op is Operator.EQ)
    return _incomparable


def _present(have: Known | None) -> int:
    # That nothing is said of it does not mean that there is nothing; an explicit "no" does.
    return UNKNOWN if have is None else NO if have is False else YES


def _incomparable(have: Known | None) -> int:
    return UNKNOWN


def _ordered(want: Amount, holds: Callable[[float, float], bool]) -> Judge:
    quantity, base = want

    def judged(have: Known | None) -> int:
        if type(have) is not Amount or have.quantity != quantity:
            return UNKNOWN
        return YES if holds(have.base, base) else NO

    return judged


def _flag(want: bool, equal: bool) -> Judge:
    def judged(have: Known | None) -> int:
        if not isinstance(have, bool):
            return UNKNOWN
        return YES if (have is want) is equal else NO

    return judged


def _membership(wanted: frozenset[str], inside: bool) -> Judge:
    def judged(have: Known | None) -> int:
        if have is None:
            return UNKNOWN
        if isinstance(have, tuple) and not isinstance(have, Amount):  # an Amount is a tuple, too
            members: tuple[str, ...] = have
        else:
            members = (_as_text(have),)
        return YES if (not wanted.isdisjoint(members)) is inside else NO

    return judged


def _as_text(have: Known) -> str:
    if isinstance(have, Amount):
        return f"{have.quantity}:{have.base!r}"
    if isinstance(have, bool):
        return "true" if have else "false"
    return have if isinstance(have, str) else "\n".join(have)
