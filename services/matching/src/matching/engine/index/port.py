"""Where candidates come from: a port. It finds the few items that share heavy terms, with what the rerank needs.

The index is a cache of the service's own store. What it committed and how far it had followed the store (`position`)
become visible together or not at all, so whoever opens it again knows from where to follow on. Scoring, reasons and
calibration are nobody's business here: the terms come ready-made, the vectors are bytes.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol, Self, override

import numpy as np
import numpy.typing as npt


class Versions(NamedTuple):
    """What an item is made of, each part numbered by what brought it; a part that never came is 0."""

    content: int
    """Sequence of the event that brought the content."""
    status: int
    """Sequence of the event that opened or closed it."""
    extra: int = 0
    """Number of what was added later without an event, such as an embedding."""


class FoundBy(Mapping[str, int]):
    """Words with their frequencies, kept as an index takes them: a text with each word as often as it counts.

    Made in one process and written by another they stay a text all the way; they are counted where somebody asks.
    """

    __slots__ = ("_counts", "text")

    def __init__(self, text: str) -> None:
        """`text` has a blank between two words and nothing else."""
        self.text = text
        self._counts: dict[str, int] | None = None

    @classmethod
    def of(cls, words: Sequence[str], times: npt.NDArray[np.int64]) -> Self:
        """Return different words, each so often."""
        repeated = list(words)
        for at in np.flatnonzero(times > 1).tolist():
            repeated += [words[at]] * (int(times[at]) - 1)
        return cls(" ".join(repeated))

    @staticmethod
    def text_of(terms: Mapping[str, int]) -> str:
        """Return any words with their frequencies as such a text, in any order."""
        if isinstance(terms, FoundBy):
            return terms.text
        return " ".join(" ".join([term] * count) for term, count in terms.items())

    def _counted(self) -> dict[str, int]:
        if self._counts is None:
            self._counts = dict(Counter(self.text.split(" "))) if self.text else {}
        return self._counts

    @override
    def __getitem__(self, word: str) -> int:
        return self._counted()[word]

    @override
    def __iter__(self) -> Iterator[str]:
        return iter(self._counted())

    @override
    def __len__(self) -> int:
        return len(self._counted())

    def __bool__(self) -> bool:
        return bool(self.text)


@dataclass(frozen=True, slots=True)
class Entry:
    """One item to be held. A closed item is held too, with neither terms nor vector: it is never found, but known."""

    id: str
    versions: Versions
    is_open: bool
    terms: Mapping[str, int]
    """Terms by which it is found, with their (weighted) frequencies, above zero. No term has white space in it."""
    vector: bytes
    """What the rerank needs of it; may be empty, and is empty for a closed item."""


class Held(NamedTuple):
    """One item as it is held."""

    id: str
    versions: Versions
    is_open: bool
    vector: bytes


class CandidateIndex(Protocol):
    """Items of one kind. Searching and reading may be called at any time beside one call of `write`.

    Whatever is damaged raises IndexDamagedError, never a wrong answer; the owner sets it aside and builds a new one.
    """

    @property
    def position(self) -> str | None:
        """How far the store had been followed when what is visible was written; None if nothing was said."""
        ...

    @property
    def size(self) -> int:
        """How many items are visible, closed ones among them."""
        ...

    async def search(self, terms: Mapping[str, float], most: int) -> Sequence[Held]:
        """Return up to `most` open items, best first, by the union of these weighted terms. No terms find nothing.

        Weights are above zero. The order is the engine's own estimate; callers score what was found themselves.
        """
        ...

    async def get(self, ids: Sequence[str]) -> Mapping[str, Held]:
        """Return the items that are held, by id."""
        ...

    async def write(self, entries: Sequence[Entry], position: str | None, *, is_last: bool = False) -> None:
        """Hold these in place of what was held under their ids, and the position (None: leave it); all or nothing.

        Of two entries with one id the last counts. Visible in this process on return, elsewhere after a `refresh`.
        `is_last` of many: time may be taken to have the index searched faster; nobody reads it yet, and so another
        process may see some of the entries before the position.
        Raises NotTheWriterError where another process writes this index.
        """
        ...

    async def refresh(self) -> bool:
        """Make visible what another process wrote; True if anything changed."""
        ...

    async def close(self) -> None:
        """Let go of files and connections."""
        ...


class IndexDamagedError(Exception):
    """The index cannot be trusted: a file is missing, cut short or altered. It has to be built anew."""


class NotTheWriterError(Exception):
    """Another process writes this index; this one may only read."""
