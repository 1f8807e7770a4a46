"""What a calibration is worth: precision and recall by band, abstention, and the threshold that follows from them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from matching.engine.tables import table
from matching.fit.logistic import Floats
from matching.fit.measuring import Case
from matching.fit.wilson import lower_bound

_FIT: Final = table("fit")
_TARGETS: Final = _FIT["targets"]
_MOST: Final[int] = table("policy")["proposals"]["per_need"]
_NEVER: Final = 1.0001
"""The least probability of a band that nothing reaches: no threshold gave its precision."""
_DIGITS: Final = 4
LOWEST_BAND: Final = "部分"


@dataclass(frozen=True, slots=True)
class Judged:
    """One need with the probabilities it was given."""

    kind: str
    probabilities: Floats
    answers: Floats
    """1 right, 0 wrong, nan not known."""
    best_without: float | None
    """Highest probability once the right result is taken away; None where that was not asked."""

    def proposed(self) -> list[tuple[float, bool]]:
        """Return what could be proposed of what is known, the best five, with whether it is right."""
        best = np.argsort(-self.probabilities, kind="stable")[:_MOST]
        return [(float(self.probabilities[at]), self.answers[at] == 1) for at in best if not np.isnan(self.answers[at])]

    @classmethod
    def of(cls, case: Case, probabilities: Floats, best_without: float | None) -> "Judged":
        """Return a case with what it was given."""
        return cls(case.kind, probabilities, case.answers, best_without)


@dataclass(frozen=True, slots=True)
class Line:
    """Counts of one band (or of all that is proposed) among needs of one kind."""

    kind: str
    band: str
    needs: int
    proposed: int
    right: int

    @property
    def precision(self) -> float:
        """Share of right ones among what is proposed; 0 where nothing is."""
        return self.right / self.proposed if self.proposed else 0.0

    @property
    def recall(self) -> float:
        """Share of the needs whose right result is proposed in this band."""
        return self.right / self.needs if self.needs else 0.0

    @property
    def bound(self) -> float:
        """Lower bound of the precision."""
        return lower_bound(self.right, self.proposed, _TARGETS["confidence"])

    @property
    def upper(self) -> float:
        """Upper bound of the precision."""
        return 1 - lower_bound(self.proposed - self.right, self.proposed, _TARGETS["confidence"])


@dataclass(frozen=True, slots=True)
class Report:
    """What a calibration did on needs that it was not learnt from."""

    lines: tuple[Line, ...]
    abstention: Mapping[str, float]
    """By kind: share of the needs without their right result for which nothing is proposed."""
    log_loss: float
    rows: int
    needs: Mapping[str, int] = field(default_factory=dict)

    def whole(self, kind: str = "mixed") -> Line:
        """Return the line of all that is proposed for one kind. Raises StopIteration for an unknown kind."""
        return next(line for line in self.lines if line.kind == kind and line.band == "all")


def kinds_of(judged: Sequence[Judged]) -> dict[str, list[Judged]]:
    """Return the needs by kind, and all of them as `mixed` where there are several."""
    kinds: dict[str, list[Judged]] = {}
    for each in judged:
        kinds.setdefault(each.kind, []).append(each)
    return kinds | {"mixed": list(judged)}


def threshold(
    judged: Sequence[Judged], precision: float, *, counted: float = 0.0, abstention: float = 0.0
) -> float | None:
    """Return the smallest probability from which the promise holds for every kind of need; None if there is none.

    The promise: the lower bound of the precision reaches `precision` and the precision as counted `counted`, or nothing
    of the kind is proposed; and so does the lower bound of the share of needs without their right result for which
    nothing is proposed reach `abstention`.
    """
    kinds = [_Kind.of(some) for some in kinds_of(judged).values()]
    for least in sorted({_rounded_down(p) for each in judged for p, _ in each.proposed()}):
        if all(kind.holds(least, precision, counted, abstention) for kind in kinds) and kinds[-1].proposes(least):
            return least
    return None


@dataclass(frozen=True, slots=True)
class _Kind:
    """What is proposed for the needs of one kind, by falling probability."""

    probabilities: Floats
    """Negated, hence rising."""
    right: Floats
    """How many are right up to each place, from 0 on."""
    best_without: Floats

    @classmethod
    def of(cls, judged: Sequence[Judged]) -> "_Kind":
        pairs = sorted((pair for each in judged for pair in each.proposed()), key=lambda pair: -pair[0])
        without = [each.best_without for each in judged if each.best_without is not None]
        return cls(
            np.array([-p for p, _ in pairs]),
            np.concatenate([[0.0], np.cumsum([float(right) for _, right in pairs])]),
            np.array(without),
        )

    def proposes(self, least: float) -> int:
        return int(np.searchsorted(self.probabilities, -least, side="right"))

    def holds(self, least: float, precision: float, counted: float, abstention: float) -> bool:
        count = self.proposes(least)
        right = int(self.right[count])
        quiet, without = int((self.best_without < least).sum()), len(self.best_without)
        if without and abstention and lower_bound(quiet, without, _TARGETS["confidence"]) < abstention:
            return False
        is_precise = lower_bound(right, count, _TARGETS["confidence"]) >= precision and right >= counted * count
        return not count or is_precise


def _rounded_down(probability: float) -> float:
    return int(probability * 10**_DIGITS) / 10**_DIGITS


def bands(judged: Sequence[Judged], propose: float) -> dict[str, float] | None:
    """Return the least probability of each band, the lowest from `propose` on; None where that breaks the promise."""
    kinds = [_Kind.of(some) for some in kinds_of(judged).values()]
    promised = (_TARGETS["precision"], _TARGETS["counted"], _TARGETS["abstention"])
    if not kinds[-1].proposes(propose) or not all(kind.holds(propose, *promised) for kind in kinds):
        return None
    least, floor = {LOWEST_BAND: propose}, propose
    for name, target in sorted(_TARGETS["bands"].items(), key=lambda band: band[1]):
        found = threshold(judged, target)
        floor = _NEVER if found is None else max(floor, found)
        least[name] = floor
    return least


def report(judged: Sequence[Judged], least: Mapping[str, float], loss: float) -> Report:
    """Count what these bands do."""
    lines: list[Line] = []
    abstention: dict[str, float] = {}
    for kind, some in kinds_of(judged).items():
        pairs = [pair for each in some for pair in each.proposed()]
        above = _NEVER + 1
        for name, from_ in sorted(least.items(), key=lambda band: -band[1]):
            lines.append(_line(kind, name, len(some), [ok for p, ok in pairs if from_ <= p < above]))
            above = min(above, from_)
        lines.append(_line(kind, "all", len(some), [ok for p, ok in pairs if p >= above]))
        best = [each.best_without for each in some if each.best_without is not None]
        if best:
            abstention[kind] = sum(p < above for p in best) / len(best)
    rows = sum(int((~np.isnan(each.answers)).sum()) for each in judged)
    return Report(tuple(lines), abstention, loss, rows, {kind: len(some) for kind, some in kinds_of(judged).items()})


def _line(kind: str, band: str, needs: int, right: Sequence[bool]) -> Line:
    return Line(kind, band, needs, len(right), sum(right))
