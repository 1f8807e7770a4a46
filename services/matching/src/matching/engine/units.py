"""Units of technical figures: which are comparable, and by what factor."""

import unicodedata
from collections.abc import Iterator
from functools import cache

from matching.engine.tables import table


@cache
def _factors() -> dict[str, tuple[str, float]]:
    data = table("units")
    found: dict[str, tuple[str, float]] = {}
    for quantity, spec in data["prefixed"].items():
        found.update((unit, (quantity, factor)) for unit, factor in _spelled(spec, data["prefixes"]))
    return found


def _spelled(spec: dict[str, dict[str, float]], prefixes: dict[str, dict[str, float]]) -> Iterator[tuple[str, float]]:
    for script in ("symbols", "chinese"):
        for base in spec[script]:
            yield from ((_fold(prefix + base), factor) for prefix, factor in prefixes[script].items())
    yield from ((_fold(unit), factor) for unit, factor in spec["extra"].items())


def _fold(unit: str) -> str:
    # NFKC makes µ μ, ℃ °C, Ω Ω and ² 2; blanks never distinguish units.
    return "".join(unicodedata.normalize("NFKC", unit).split())


def to_base(unit: str) -> tuple[str, float]:
    """Return the quantity and the factor to its base unit; a unit that is not listed is a quantity of its own."""
    folded = _fold(unit)
    return _factors().get(folded, (folded, 1.0))
