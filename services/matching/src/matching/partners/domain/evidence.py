"""What speaks for two parties as partners: needs of the one that results of the other fit, in either direction."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from math import prod
from typing import Final

from pydantic import BaseModel, ConfigDict
from qianqiao_contracts import Band

from matching.engine.tables import table

_RULES: Final = table("partners")
_LEAST_PAIRS: Final[int] = _RULES["proposals"]["least_pairs"]
_PER_PARTY: Final[int] = _RULES["proposals"]["per_party"]
_BANDS: Final[Mapping[str, float]] = _RULES["score"]["least"]


class Fit(BaseModel):
    """A need of party `wants` that a result of party `gives` fits, with the probability that it is worth a talk."""

    model_config = ConfigDict(frozen=True)

    need: str
    result: str
    wants: str
    gives: str
    probability: float


class Prospect(BaseModel):
    """Another party as a partner: the fits that speak for it, the best first, each listing in one of them only."""

    model_config = ConfigDict(frozen=True)

    other: str
    fits: tuple[Fit, ...]
    score: float

    @property
    def listings(self) -> tuple[str, ...]:
        """The needs and results it rests on."""
        return tuple(sorted({id for fit in self.fits for id in (fit.need, fit.result)}))

    @property
    def band(self) -> Band:
        """How well it fits. Raises StopIteration below the least band, where there is no prospect."""
        return Band(next(name for name, least in _falling() if self.score >= least))

    @property
    def order(self) -> tuple[float, str]:
        """Better ones come first."""
        return (-self.score, self.other)


def prospect(other: str, fits: Iterable[Fit], refused: Collection[str] = ()) -> Prospect | None:
    """Return `other` as a partner by all fits between the two, None where they do not suffice.

    Fits between two listings that were both named when one of the two refused speak for it no more.
    """
    counted = one_to_one(fit for fit in fits if not (fit.need in refused and fit.result in refused))
    if len(counted) < _LEAST_PAIRS:
        return None
    score = joint(counted)
    if score < min(_BANDS.values()):
        return None
    return Prospect(other=other, fits=counted, score=score)


def one_to_one(fits: Iterable[Fit]) -> tuple[Fit, ...]:
    """Return the best fits in which each listing occurs once: a copy of a result must not count again."""
    used: set[str] = set()
    chosen: list[Fit] = []
    for fit in sorted(set(fits), key=lambda fit: (-fit.probability, fit.need, fit.result)):
        if fit.need not in used and fit.result not in used:
            used |= {fit.need, fit.result}
            chosen.append(fit)
    return tuple(chosen)


def joint(fits: Sequence[Fit]) -> float:
    """Return the probability that one of the fits at least is worth a conversation; all count more both ways."""
    weight: float = _RULES["score"]["both_ways" if len({fit.wants for fit in fits}) > 1 else "one_way"]
    return round(1 - prod(1 - weight * fit.probability for fit in fits), 4)


def wanted(prospects: Iterable[Prospect]) -> tuple[Prospect, ...]:
    """Return the best ones, as many as a party is told of."""
    return tuple(sorted(prospects, key=lambda each: each.order)[:_PER_PARTY])


def _falling() -> list[tuple[str, float]]:
    return sorted(_BANDS.items(), key=lambda band: -band[1])
