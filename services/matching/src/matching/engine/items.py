"""What the engine knows of a need and of a result: their texts by field, and their facets."""

from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True, slots=True)
class Facets:
    """What is compared as a fact rather than as text. Absent facts (None, empty) neither help nor harm."""

    sectors: frozenset[str] = frozenset()
    """Codes with their scheme, such as `qianqiao:biomedicine`."""
    modes: frozenset[str] = frozenset()
    trl: int | None = None
    """Need: wished at delivery. Result: reached."""
    fen: int | None = None
    """Need: the most it would pay. Result: the least it asks."""
    region: int | None = None
    """Code of GB/T 2260, six digits."""
    confirmed: date | None = None
    """When its owner last confirmed it."""


@dataclass(frozen=True, slots=True)
class Embedding:
    """A vector of a language model, reduced to whole numbers from -127 to 127, one byte each."""

    space: int
    """32-bit number of the space it lives in; vectors of two spaces are never compared."""
    values: bytes


@dataclass(frozen=True, slots=True)
class Item:
    """A need or a result as text, field by field, in the order title, keywords, body."""

    id: str
    title: str
    keywords: tuple[str, ...] = ()
    body: tuple[str, ...] = ()
    """Texts without a field of their own: difficulty, goal; summary, advantage, application."""
    facets: Facets = Facets()
    title_en: str = ""
    """The title in English, where there is one; English keywords and texts stand among the others."""
    embedding: Embedding | None = None

    @property
    def fields(self) -> tuple[tuple[str, str], ...]:
        """Field name and text. Parts are joined by a line break, which no term spans."""
        title = f"{self.title}\n{self.title_en}" if self.title_en else self.title
        return (("title", title), ("keywords", "\n".join(self.keywords)), ("body", "\n".join(self.body)))

    @property
    def text(self) -> str:
        """All of it."""
        return "\n".join(text for _, text in self.fields if text)
