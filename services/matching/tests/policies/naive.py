"""The plainest reading of conditions, one firm and one condition at a time: the oracle of the tests."""

import unicodedata
from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction
from typing import Any

from qianqiao_contracts.policies import Group

type Facts = Mapping[tuple[str, str, str], tuple[Any, str]]
"""(field, period, scope) to (value, unit)."""

_FACTORS: dict[str, tuple[str, Fraction]] = {
    "元": ("money", Fraction(100)),
    "万元": ("money", Fraction(1_000_000)),
    "亿元": ("money", Fraction(10_000_000_000)),
    "%": ("share", Fraction(1, 100)),
    "": ("share", Fraction(1)),
    "人": ("people", Fraction(1)),
}


def plain(firm: Mapping[Any, tuple[Any, str]]) -> Facts:
    return {tuple(key): given for key, given in firm.items()}


def verdict(condition: Any, facts: Facts, year: int) -> int:
    """-1 不符合, 0 缺数据, 1 符合."""
    if isinstance(condition, Group):
        found = [verdict(each, facts, year) for each in condition.of]
        match condition.match.value:
            case "all":
                return -1 if -1 in found else 0 if 0 in found else 1
            case "any":
                return 1 if 1 in found else 0 if 0 in found else -1
            case "none":
                return -1 if 1 in found else 0 if 0 in found else 1
        surely, possibly = found.count(1), found.count(1) + found.count(0)
        assert condition.k is not None
        return 1 if surely >= condition.k else -1 if possibly < condition.k else 0
    return _test(condition, facts, year)


def _test(test: Any, facts: Facts, year: int) -> int:
    period = test.period or ""
    if period.startswith("year-"):
        period = str(year - int(period[5:]))
    if period.startswith("fy-"):
        period = f"FY{year - int(period[3:])}"
    have = facts.get((test.field, period, test.scope.value if test.scope else "entity"))
    if have is None:
        return 0
    value, unit = have
    return _compared(test, value, unit)


def _compared(test: Any, value: Any, unit: str) -> int:
    op = test.op.value
    if op == "present":
        return -1 if value is False else 1
    if op in ("in", "not_in"):
        wanted = [_plain(each, test.unit) for each in test.value]
        members = [_plain(each, unit) for each in (value if isinstance(value, tuple) else (value,))]
        return 1 if any(each in wanted for each in members) is (op == "in") else -1
    if isinstance(test.value, bool):
        if not isinstance(value, bool) or op not in ("=", "≠"):
            return 0
        return 1 if (value == test.value) is (op == "=") else -1
    if isinstance(test.value, str):
        if op not in ("=", "≠"):
            return 0
        members = [_plain(each, unit) for each in (value if isinstance(value, tuple) else (value,))]
        return 1 if (_plain(test.value, "") in members) is (op == "=") else -1
    if isinstance(value, (bool, str, tuple)):
        return 0
    return _figures(op, _measured(value, unit), _measured(test.value, test.unit or ""))


def _figures(op: str, have: tuple[str, Fraction], want: tuple[str, Fraction]) -> int:
    if have[0] != want[0]:
        return 0
    x, bound = have[1], want[1]
    holds = {"<": x < bound, "≤": x <= bound, "=": x == bound, "≠": x != bound, "≥": x >= bound, ">": x > bound}[op]
    return 1 if holds else -1


def _measured(number: float, unit: str) -> tuple[str, Fraction]:
    quantity, factor = _FACTORS.get(unit, (unit, Fraction(1)))
    return quantity, Fraction(Decimal(repr(number))) * factor


def _plain(value: Any, unit: str | None) -> Any:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return "".join(unicodedata.normalize("NFKC", value).split()).casefold()
    return _measured(value, unit or "")
