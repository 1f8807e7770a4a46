"""Everything a score depends on beside the two items: an immutable, versioned model.

It is shipped with the service and may be replaced by one fitted on the platform's own data. A part of it is baked into
vectors and terms (`baked_version`): a model that differs there needs its indexes rebuilt; one that differs elsewhere
needs only the needs refreshed.
"""

import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Final, Protocol

from matching.engine import analyzer
from matching.engine.implied import Implied
from matching.engine.layout import FORMAT
from matching.engine.statistics import Statistics
from matching.engine.tables import table

_KINDS: Final = ("", "_cosine", "_title", "_keywords", "_body", "_reverse")
COVERAGES: Final = tuple(f"{unit}{kind}" for unit in ("word", "pair") for kind in _KINDS)
"""By words and by pairs of characters, terms weighing the square of what they say: how much of the need the result
covers; how alike the two are as vectors; how much of the need its title, keywords and body have; how much of the result
the need has. All between 0 and 1."""
LOCAL: Final = ("word_local", "pair_local")
"""The first of them once more, counting for more what few of the results beside it have."""
PLAIN: Final = ("word_plain", "pair_plain")
"""The first of them once more, terms weighing what they say and not its square, by the same mass: what many half-common
words agree on is told as well."""
IMPLIED: Final = "word_implied"
"""How much of what the need asks for, and the result has not, its other words imply (implied.py)."""
LISTED: Final = frozenset((*LOCAL, *PLAIN, IMPLIED))
"""What may order a list beside the features below, and never decides."""
FACETS: Final = ("sector_same", "sector_other", "mode_none", "trl_missing", "price_over", "region_same", "years_stale")
"""Facts compared: whether, but for the levels of TRL and the years by which a result was confirmed before the need."""
FEATURES: Final = frozenset(
    [
        *(
            prefix + name + suffix
            for name in COVERAGES
            for prefix, suffix in (("", ""), ("log_", ""), ("", "_of_best"))
        ),
        "cosine",
        *FACETS,
    ]
)
"""Everything that may have a coefficient."""


class Lexicon(Protocol):
    """Words of one language with their translations into the other, as far as they are known."""

    @property
    def version(self) -> str:
        """Names the lexicon."""
        ...

    def translations(self, word: str) -> Sequence[tuple[str, float]]:
        """Return translations of a word as the analyzer writes it, best first, with their shares (at most 1 in sum)."""
        ...

    def weight(self, word: str) -> float | None:
        """Return how much a word says, in nats; None for an unknown word."""
        ...

    def to_bytes(self) -> bytes:
        """Return the lexicon to be stored."""
        ...


@dataclass(frozen=True, slots=True)
class Calibration:
    """From features to a probability, and from there to a band: a logistic regression."""

    version: str
    intercept: float
    floor: float
    """Added to a feature before its logarithm is taken."""
    coefficients: Mapping[str, float]
    """By feature: its name, `log_` and its name, or its name and `_of_best` (features.py, FEATURES below)."""
    bands: Mapping[str, float]
    """Least probability of each band."""
    ranking: Mapping[str, float]
    """Coefficients of what a list is ordered by, on the features and on LISTED; empty: by the log-odds."""
    ranking_translated: Mapping[str, float]
    """The same for a need in another language; empty: as all others."""
    statistics: str
    """Names the statistics that it was learnt with: with others, its probabilities are not what they say."""

    def order_for(self, *, foreign: bool) -> Mapping[str, float]:
        """Return the coefficients by which a list is ordered for a need, `foreign` or in the language of most."""
        return (foreign and self.ranking_translated) or self.ranking or self.coefficients

    @property
    def propose_from(self) -> float:
        """A pair below this probability is not proposed."""
        return min(self.bands.values())

    def band_of(self, probability: float) -> str | None:
        """Return the name of the band, None below the least probability that is proposed."""
        if probability < self.propose_from:
            return None
        return max((least, name) for name, least in self.bands.items() if probability >= least)[1]

    @property
    def compares_embeddings(self) -> bool:
        """Whether vectors of a language model count at all."""
        return bool(self.coefficients.get("cosine") or self.ranking.get("cosine"))

    @classmethod
    def read(cls, data: Mapping[str, Any]) -> "Calibration":
        """Return the calibration that a table holds (data/bands.toml). Raises ValueError."""
        coefficients = {name: float(value) for name, value in data["coefficients"].items() if name != "source"}
        ranking, translated = (
            {name: float(value) for name, value in data.get(order, {}).items() if name != "source"}
            for order in ("ranking", "ranking_translated")
        )
        ordering = set(ranking) | set(translated)
        if unknown := sorted((set(coefficients) - FEATURES) | (ordering - FEATURES - LISTED)):
            raise ValueError(f"unknown features: {', '.join(unknown)}")
        bands = {name: float(least) for name, least in data["bands"]["least"].items()}
        settings = data["probability"]
        return cls(
            str(data["version"]),
            float(settings["intercept"]),
            float(settings["floor"]),
            coefficients,
            bands,
            ranking,
            translated,
            str(data.get("statistics", "")),
        )

    @classmethod
    def shipped(cls, statistics: Statistics) -> "Calibration":
        """Return the calibration that comes with the service for the fixed background, or for a snapshot."""
        return cls.read(table("bands_learnt" if statistics.documents else "bands"))

    @property
    def name(self) -> str:
        """The version and a checksum of the numbers: two calibrations of one name are the same."""
        told = json.dumps(self.table(), sort_keys=True, ensure_ascii=False).encode()
        return f"{self.version}/{zlib.crc32(told):08x}"

    def table(self) -> dict[str, Any]:
        """Return the calibration as `read` takes it."""
        return {
            "version": self.version,
            "statistics": self.statistics,
            "probability": {"intercept": self.intercept, "floor": self.floor},
            "coefficients": dict(self.coefficients),
            "ranking": dict(self.ranking),
            "ranking_translated": dict(self.ranking_translated),
            "bands": {"least": dict(self.bands)},
        }


@dataclass(frozen=True, slots=True, eq=False)
class Model:
    """What a score depends on beside two items."""

    statistics: Statistics = field(default_factory=Statistics)
    calibration: Calibration = field(default_factory=lambda: Calibration.shipped(Statistics()))
    lexicon: Lexicon | None = None
    implied: Implied | None = None

    @property
    def is_calibrated(self) -> bool:
        """Whether the calibration was learnt with these very statistics."""
        return self.calibration.statistics == self.statistics.version

    @property
    def baked_version(self) -> str:
        """Names what is baked into vectors and terms; an index made with another has to be rebuilt."""
        lexicon = f" {self.lexicon.version}" if self.lexicon else ""
        return f"{analyzer.VERSION} {self.statistics.version} vector/{FORMAT}/{table('weights')['version']}{lexicon}"

    @property
    def version(self) -> str:
        """Names everything a score depends on beside the two items."""
        implied = f" {self.implied.version}" if self.implied else ""
        return f"{self.baked_version}{implied} score/{self.calibration.name}"

    @classmethod
    def learnt(cls, statistics: Statistics, implied: Implied | None = None) -> "Model":
        """Return the model of a snapshot without a calibration of its own: that of another collection stands in."""
        return cls(statistics, Calibration.shipped(statistics), implied=implied)

    @staticmethod
    @cache
    def shipped() -> "Model":
        """Return the model that comes with the service."""
        return Model()
