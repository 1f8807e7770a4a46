"""Who competes with whom, by what both offer (data/partners.toml)."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from qianqiao_contracts import ResultContent

from matching.engine.analyzer import words
from matching.engine.tables import table

_RULES: Final = table("partners")["competitors"]
_KINDS: Final = frozenset(_RULES["kinds"])


@dataclass(frozen=True, slots=True)
class Offering:
    """What a party is and offers: its kind, and sectors and words of titles and keywords of its open results."""

    kind: str
    sectors: frozenset[str]
    words: frozenset[str]

    @classmethod
    def of(cls, kind: str, results: Iterable[ResultContent]) -> "Offering":
        """Return the offering of a party of this kind."""
        sectors: set[str] = set()
        said: set[str] = set()
        for result in results:
            sectors |= {f"{sector.scheme}:{sector.code}" for sector in result.sectors}
            said |= set(words("\n".join((result.title, *result.keywords))))
        return cls(kind, frozenset(sectors), frozenset(said))


def competes(one: Offering, other: Offering) -> bool:
    """Tell whether the two offer nearly the same in one sector. The same whichever of them is named first."""
    if one.kind != other.kind or one.kind not in _KINDS or not one.sectors & other.sectors:
        return False
    less = min(len(one.words), len(other.words))
    return less > 0 and len(one.words & other.words) / less >= _RULES["overlap"]
