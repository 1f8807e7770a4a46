"""Everything a score depends on beside the two items: an immutable, versioned model.

It is shipped with the service and may be replaced by one fitted on the platform's own data. A part of it is baked into
vectors and terms (`baked_version`): a model that differs there needs its indexes rebuilt; one that differs elsewhere
needs only the needs refreshed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Final, Protocol

from matching.engine import analyzer
from matching.engine.statistics import Statistics
from matching.engine.tables import table

FORMAT: Final = 1
"""Number of the format of vectors; a vector of another format is damage."""


class Lexicon(Protocol):
    """Words of one language with their translations into the other, as far as they are known."""

    @property
    def version(self) -> str:
        """Names the lexicon."""
        ...

    def translations(self, word: str) -> Sequence[tuple[str, float]]:
        """Return translations of a word as the analyzer writes it, best first, with their shares (at most 1 in sum)."""
        ...


@dataclass(frozen=True, slots=True)
class Calibration:
    """From features to a probability, and from there to a band. Coefficients act on the log-odds."""

    version: str
    probability: Mapping[str, float]
    facets: Mapping[str, float]
    bands: Mapping[str, float]
    """Least probability of each band."""

    @property
    def propose_from(self) -> float:
        """A pair below this probability is not proposed."""
        return min(self.bands.values())

    def band_of(self, probability: float) -> str | None:
        """Return the name of the band, None below the least probability that is proposed."""
        for name, least in sorted(self.bands.items(), key=lambda band: -band[1]):
            if probability >= least:
                return name
        return None

    @classmethod
    def read(cls, data: Mapping[str, Any]) -> "Calibration":
        """Return the calibration that a table holds."""
        numbers = {
            name: {k: float(v) for k, v in data[name].items() if k != "source"} for name in ("probability", "facets")
        }
        bands = {name: float(least) for name, least in data["bands"]["least"].items()}
        return cls(str(data["version"]), numbers["probability"], numbers["facets"], bands)


@dataclass(frozen=True, slots=True)
class Model:
    """What a score depends on beside two items."""

    statistics: Statistics = field(default_factory=Statistics)
    calibration: Calibration = field(default_factory=lambda: Calibration.read(table("bands")))
    lexicon: Lexicon | None = None

    @property
    def baked_version(self) -> str:
        """Names what is baked into vectors and terms; an index made with another has to be rebuilt."""
        lexicon = f" {self.lexicon.version}" if self.lexicon else ""
        return f"{analyzer.VERSION} {self.statistics.version} vector/{FORMAT}{lexicon}"

    @property
    def version(self) -> str:
        """Names everything a score depends on beside the two items."""
        return f"{self.baked_version} score/{self.calibration.version}"

    @staticmethod
    @cache
    def shipped() -> "Model":
        """Return the model that comes with the service."""
        return Model()
