"""Units of technical figures: which are comparable, and how one is converted into another.

Definitions and factors are the library's (pint); how units are written here is data/units.toml. A unit that nobody
knows is a quantity of its own: it equals itself, letter by letter, and nothing else.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any, Final

import pint

from matching.engine.tables import table
from matching.figures.folding import fold

_LONGEST: Final = 40
"""Units are short: what is longer is a text, and is not handed to the library."""
_REMEMBERED: Final = 4096
_ATOM: Final = re.compile(r"(?P<name>[^\d\s*/^()\-]+)(?:\^?(?P<power>-?\^?[1-9]))?", re.ASCII)
_SCALES: Final = re.compile("degree_Celsius|degree_Fahrenheit")
_LATIN: Final = re.compile(r"[A-Za-zμΩ]{1,24}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit as it is compared. A value of it times `factor` plus `offset` is the value in the quantity's base unit."""

    quantity: str
    factor: float = 1.0
    offset: float = 0.0
    """Other than 0 for temperatures on a scale, ℃ and ℉. Differences leave it out."""
    known: bool = True
    """False: no such unit is known, and it is comparable only with the same letters."""


@lru_cache(maxsize=_REMEMBERED)
def unit_of(text: str) -> Unit:
    """Return what a unit is, however it is written: `μm`, `微米`, `ｕｍ`, `mg·L⁻¹`, `万次`. Never raises."""
    tidied = tidy(text)
    if not tidied:
        return Unit("")
    unit = _measured(tidied) or _measured("".join(tidied.split()))
    return unit or Unit(f"unit:{''.join(tidied.split())}", known=False)


def prepare() -> None:
    """Build the library's registry now, a third of a second of work, rather than when the first unit is met."""
    unit_of("mm")


def tidy(text: str) -> str:
    """Return a unit's text as it is compared: one form of each sign, without blanks at its ends."""
    return fold(text).text.strip()


def convert(value: float, unit: Unit, into: Unit, *, difference: bool = False) -> float:
    """Return `value` of `unit` in `into`, on twelve digits: 5000 μm and 5 mm are the same length.

    `difference`: the value is a distance between two values. Raises ValueError where the quantities differ.
    """
    if unit.quantity != into.quantity:
        raise ValueError("these units measure different quantities")
    shift = 0.0 if difference else unit.offset - into.offset
    if unit.factor == into.factor and not shift:
        return value
    return cleaned((value * unit.factor + shift) / into.factor)


def cleaned(value: float) -> float:
    """Return a value on twelve digits, without the noise of binary fractions."""
    return float(f"{value:.12g}")


def near_share() -> float:
    """The share of its limit by which a figure may miss it and still be near."""
    return float(table("units")["near"]["share"])


@cache
def is_difference(name: str) -> bool:
    """Tell whether a figure of this name is a difference of temperatures rather than a temperature."""
    lowered = name.lower()
    return any(word in lowered for word in table("units")["difference"]["words"])


def _measured(text: str) -> Unit | None:
    """The unit by the library, None where neither the table nor the library knows it."""
    multipliers = table("units")["multipliers"]
    if text in multipliers:
        return Unit("", multipliers[text])
    for multiplier, rest in _without_multiplier(text):
        if rest in _own():
            return Unit(f"unit:{rest}", multiplier)
        formula = _formula(rest)
        unit = _by_library(formula) if formula else None
        if unit is not None:
            return Unit(unit.quantity, unit.factor * multiplier, unit.offset if multiplier == 1 else 0.0)
    return None


def _without_multiplier(text: str) -> Iterator[tuple[float, str]]:
    yield 1.0, text
    multipliers = table("units")["multipliers"]
    for length in (2, 1):
        if text[:length] in multipliers and len(text) > length:
            yield multipliers[text[:length]], text[length:]


def _formula(text: str) -> str | None:
    """What the library is asked for, None where a part is unknown. Only names, whole powers, products, quotients."""
    if len(text) > _LONGEST:
        return None
    if (whole := atom(text)) is not None:
        return whole
    parts: list[str] = []
    below = False
    for sign, body in _split(text):
        below = below or sign == "/"
        factors = [_power(factor) for factor in re.split(r"[*\s]+", body.strip("()")) if factor]
        if not factors or None in factors:
            return None
        product = " * ".join(factor for factor in factors if factor)
        parts.append(f"{'/' if below else '*'} ({product})")
    # Within a compound a degree is a step, not a point on a scale: ℃/min.
    return "1 " + _SCALES.sub(r"delta_\g<0>", " ".join(parts)) if parts else None


def _split(text: str) -> Iterator[tuple[str, str]]:
    """Numerator and denominators of `W/(m*K)`, `kg/m^3`, `mg/kg/d`; products inside are left whole."""
    sign = ""
    for piece in re.split(r"(/|每)", text):
        if piece in {"/", "每"}:
            sign = "/"
        elif piece:
            yield sign, piece
        else:
            yield sign, "?"


def _power(text: str) -> str | None:
    if (whole := atom(text)) is not None:
        return f"({whole})"
    found = _ATOM.fullmatch(text)
    name = atom(found["name"]) if found else None
    if found is None or name is None:
        return None
    power = (found["power"] or "1").replace("^", "")
    return f"({name}) ** {power}"


def atom(name: str) -> str | None:
    """Return what one symbol or name is to the library, None where it is not known."""
    listed = vocabulary().get(name)
    if listed is not None:
        return listed
    if _LATIN.fullmatch(name) and _in_library(name):
        return name
    return None


@cache
def vocabulary() -> Mapping[str, str]:
    """Every listed symbol and name, prefixes applied, with what it is to the library."""
    data = table("units")
    names: dict[str, str] = {}
    for group in data["prefixed"]:
        for unit, meaning in group["units"].items():
            names[fold(unit).text] = meaning
            for prefix, word in _prefixes(unit, group["prefixes"].split(), data["prefixes"]):
                names[fold(prefix + unit).text] = _prefixed(word, meaning)
    names |= {fold(unit).text: meaning for unit, meaning in data["plain"].items()}
    spelled = {fold(written).text: fold(meant).text for written, meant in data["spellings"].items()}
    return names | {written: names[meant] for written, meant in spelled.items()}


def _prefixes(unit: str, symbols: list[str], prefixes: Mapping[str, Mapping[str, str]]) -> Iterator[tuple[str, str]]:
    if unit.isascii() or unit == "Ω" or "·" in unit:
        yield from ((symbol, prefixes["symbols"][symbol]) for symbol in symbols)
    else:
        # Chinese names of the same units take the prefixes of the same sizes.
        sizes = {prefixes["symbols"][symbol] for symbol in symbols}
        yield from ((name, word) for name, word in prefixes["chinese"].items() if word in sizes)


def _prefixed(prefix: str, meaning: str) -> str:
    first, _, rest = meaning.partition(" ")
    return f"{prefix}{first} {rest}".strip()


@cache
def _own() -> frozenset[str]:
    return frozenset(fold(unit).text for unit in table("units")["own"]["units"])


# ---- the library -----------------------------------------------------------------------------------------------------


@cache
def _registry() -> Any:
    """The one registry, built when the first unit is asked for (a third of a second)."""
    registry: Any = pint.UnitRegistry(cache_folder=None)
    for definition in table("units")["definitions"]:
        registry.define(definition)
    return registry


@lru_cache(maxsize=_REMEMBERED)
def _in_library(name: str) -> bool:
    try:
        dimensions = _registry().parse_units(name).dimensionality
    except Exception:  # the library raises many kinds for what it cannot read
        return False
    # What the library counts as a plain number (radian, count, decibel …) would equal every other plain number.
    return bool(dimensions)


def _by_library(formula: str) -> Unit | None:
    registry = _registry()
    try:
        if _SCALES.fullmatch(formula):
            zero = registry.Quantity(0.0, formula).to_base_units().magnitude
            base = registry.Quantity(1.0, f"delta_{formula}").to_base_units()
        else:
            zero = 0.0
            base = registry.parse_expression(formula).to_base_units()
        quantity = str(base.dimensionality)
        return Unit(quantity, float(base.magnitude), zero) if base.dimensionality else None
    except Exception:  # the library raises many kinds for what it cannot read
        return None
