"""A search: understand what was typed, find, read, explain, count."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from matching.engine.analyzer import words
from matching.engine.items import Item
from matching.engine.tables import table
from matching.engine.vectors import query_weights
from matching.search.corrections import Correction, corrected, corrections
from matching.search.documents import Document, Kind
from matching.search.index import Asked, Hit, SearchIndex
from matching.search.terms import asked as asked_terms

_LIMITS: Final = table("search")["limits"]
_SHARE_DIGITS: Final = 2

type Read = Callable[[Sequence[str]], Awaitable[Mapping[str, Document]]]
"""Reads documents by id from the store; what is closed or gone is absent."""


@dataclass(frozen=True, slots=True)
class Reader:
    """Who searches."""

    party: str | None
    operator: bool


@dataclass(frozen=True, slots=True)
class Place:
    """Words of what was typed that a document has in one of its fields; `share` is their part of all that was typed."""

    field: str
    words: tuple[str, ...]
    share: float


@dataclass(frozen=True, slots=True)
class Found:
    """A document found, why, and what of the typed text it has not."""

    document: Document
    share: float
    places: tuple[Place, ...]
    missing: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a search gave. `facets` count what was found, up to the limit of the index, before the page was cut."""

    found: tuple[Found, ...]
    understood: tuple[Correction, ...]
    facets: Mapping[str, Mapping[str, int]]


class Search:
    """Searches everything that `read` can read, kind by kind."""

    def __init__(self, index: SearchIndex, read: Mapping[Kind, Read]) -> None:
        self._index = index
        self._read = read

    async def find(self, text: str, only: Mapping[str, Sequence[str]], reader: Reader) -> Outcome:
        """Return what is found for a text, best first, of what the reader may see."""
        hits = self._hits(text, only, reader)
        documents = await self._documents(hits, reader)
        titles = ["\n".join((each.item.title, *each.item.keywords)) for each in documents.values()]
        understood = corrections(text, titles, [each.item.text for each in documents.values()])
        meant = text
        if understood:
            meant = corrected(text, understood)
            hits = _merged(self._hits(meant, only, reader), hits)
            documents = await self._documents(hits, reader)
        best = max((hit.score for hit in hits), default=0.0)
        found = []
        for hit in hits:
            if hit.id in documents:
                explained = _explained(meant, documents[hit.id])
                if explained.places or hit.score >= _LIMITS["alike_of_best"] * best:
                    found.append((explained, hit.score))
                await asyncio.sleep(0)  # each takes up to a millisecond; others get their turn
        found.sort(key=lambda pair: (-round(pair[0].share, _SHARE_DIGITS), -pair[1], pair[0].document.item.id))
        return Outcome(tuple(each for each, _ in found), tuple(understood), _counted(hits))

    def _hits(self, text: str, only: Mapping[str, Sequence[str]], reader: Reader) -> list[Hit]:
        weighted = query_weights(Item("", text))
        heaviest = sorted(weighted.items(), key=lambda pair: (-pair[1], pair[0]))[: _LIMITS["terms"]]
        sounds = list(dict.fromkeys(asked_terms(text)))[: _LIMITS["terms"]]
        return self._index.search(Asked(dict(heaviest), sounds, only, reader.party, reader.operator))

    async def _documents(self, hits: Sequence[Hit], reader: Reader) -> dict[str, Document]:
        """What the best hits are now, in their order. The index may lag: who may see them is asked of the store."""
        best = hits[: _LIMITS["read"]]
        kinds = {kind: [hit.id for hit in best if hit.kind is kind] for kind in dict.fromkeys(hit.kind for hit in best)}
        read = await asyncio.gather(*(self._read[kind](ids) for kind, ids in kinds.items()))
        known = {id: document for some in read for id, document in some.items()}
        return {
            hit.id: known[hit.id]
            for hit in best
            if hit.id in known and known[hit.id].visible_to(reader.party, operator=reader.operator)
        }


def _merged(first: Sequence[Hit], then: Sequence[Hit]) -> list[Hit]:
    known = {hit.id for hit in first}
    return [*first, *(hit for hit in then if hit.id not in known)]


def _counted(hits: Sequence[Hit]) -> Mapping[str, Mapping[str, int]]:
    counts: dict[str, Counter[str]] = {"kind": Counter()}
    for hit in hits:
        counts["kind"][hit.kind.value] += 1
        for facet, value in hit.tags:
            counts.setdefault(facet, Counter())[value] += 1
    return counts


def _explained(meant: str, document: Document) -> Found:
    weighted = query_weights(Item("", meant))
    mass = sum(weighted.values())
    if not mass:
        return Found(document, 0.0, (), ())
    left = dict(weighted)
    places: list[Place] = []
    for field, text in document.item.fields:
        there = [word for word in dict.fromkeys(words(text)) if word in left]
        if there:
            places.append(Place(field, tuple(there), sum(left.pop(word) for word in there) / mass))
    missing = sorted(left, key=lambda word: (-left[word], word))
    return Found(document, 1 - sum(left.values()) / mass, tuple(places), tuple(missing))
