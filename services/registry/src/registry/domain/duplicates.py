"""Near-duplicate screening: a short fingerprint that an index can hold, and an exact comparison of the few it finds.

The fingerprint is a one-permutation MinHash: every shingle is hashed once and kept in one of `bins` bins if it is the
smallest there, so the cost is one hash per character. Parts of it ("bands") are stored with the record; two texts that
share a band are compared in full. Texts less alike than about one half are seldom even compared.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Self
from zlib import crc32

from pydantic import BaseModel, ConfigDict, Field, model_validator

from registry.domain.text import comparable

_STEP = 0x9E3779B1  # odd, so that borrowed bins differ from the bin they were borrowed from


class DuplicateRules(BaseModel):
    """Parameters of the screening; see data/duplicates.toml."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: str
    source: str
    shingle: int = Field(ge=1)
    bins: int = Field(ge=1)
    bands: int = Field(ge=1)
    rows: int = Field(ge=1)
    report_from: float = Field(gt=0, le=1)
    max_compared: int = Field(ge=1)
    max_reported: int = Field(ge=1)

    @model_validator(mode="after")
    def _bands_cover_the_signature(self) -> Self:
        if self.bands * self.rows != self.bins:
            raise ValueError("bins must be bands x rows")
        return self


class PossibleDuplicate(BaseModel):
    """A record that reads much like another: `likeness` is the Jaccard share of common shingles, 0 to 1."""

    model_config = ConfigDict(frozen=True)

    id: str
    title: str
    likeness: float


def shingles(text: str, size: int) -> frozenset[str]:
    """Return the runs of `size` characters of the comparable text; the whole text where it is shorter."""
    plain = comparable(text)
    if not plain:
        return frozenset()
    if len(plain) <= size:
        return frozenset({plain})
    return frozenset(plain[start : start + size] for start in range(len(plain) - size + 1))


def fingerprint(text: str, rules: DuplicateRules) -> list[str]:
    """Return the band keys of a text, or an empty list for a text without letters or digits."""
    grams = shingles(text, rules.shingle)
    if not grams:
        return []
    signature = _borrow(_smallest(grams, rules.bins))
    rows = rules.rows
    return [
        f"{band:x}:{crc32(','.join(map(str, signature[band * rows : (band + 1) * rows])).encode()):08x}"
        for band in range(rules.bands)
    ]


def shown_bands(bands: Iterable[str]) -> list[str]:
    """Return band keys as those of a text that strangers read in place of the whole one.

    Whoever reads only that is compared with it alone: a hit, or none, must tell nothing of what is hidden.
    """
    return [f"shown {band}" for band in bands]


def _smallest(grams: Iterable[str], bins: int) -> list[int | None]:
    least: list[int | None] = [None] * bins
    for gram in grams:
        value, place = divmod(_mix(crc32(gram.encode())), bins)
        held = least[place]
        if held is None or value < held:
            least[place] = value
    return least


def _mix(value: int) -> int:
    """Spread a CRC, whose neighbouring inputs give related outputs, over 32 bits."""
    value = ((value ^ (value >> 16)) * 0x85EBCA6B) & 0xFFFFFFFF
    value = ((value ^ (value >> 13)) * 0xC2B2AE35) & 0xFFFFFFFF
    return value ^ (value >> 16)


def _borrow(least: Sequence[int | None]) -> list[int]:
    """Fill empty bins from the next full one, so that short texts have complete signatures too."""
    return [_next_full(least, place) for place in range(len(least))]


def _next_full(least: Sequence[int | None], place: int) -> int:
    for distance in range(len(least)):
        value = least[(place + distance) % len(least)]
        if value is not None:
            return (value + distance * _STEP) & 0xFFFFFFFF
    raise AssertionError("a signature has at least one full bin")


def likeness(left: str, right: str, size: int) -> float:
    """Return the Jaccard likeness of two texts, 0 to 1; two texts without letters or digits are not alike."""
    return _jaccard(shingles(left, size), shingles(right, size))


def _jaccard(left: frozenset[str], right: frozenset[str]) -> float:
    together = len(left | right)
    return len(left & right) / together if together else 0.0


def most_alike(
    text: str, candidates: Iterable[tuple[str, str, str]], rules: DuplicateRules
) -> tuple[PossibleDuplicate, ...]:
    """Return the candidates, given as (id, title, text), that are alike enough to be shown, most alike first."""
    grams = shingles(text, rules.shingle)
    found = sorted(_compared(grams, candidates, rules), key=lambda duplicate: (-duplicate.likeness, duplicate.id))
    return tuple(found[: rules.max_reported])


def _compared(
    grams: frozenset[str], candidates: Iterable[tuple[str, str, str]], rules: DuplicateRules
) -> Iterator[PossibleDuplicate]:
    for id_, title, text in candidates:
        share = _jaccard(grams, shingles(text, rules.shingle))
        if share >= rules.report_from:
            yield PossibleDuplicate(id=id_, title=title, likeness=round(share, 3))
