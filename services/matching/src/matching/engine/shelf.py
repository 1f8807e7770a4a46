"""One side of the market in memory: vectors by id, and the index that finds candidates among them.

What was put is found at once: fresh items are looked through directly until the next settling has brought them into
the candidate index. So nobody waits for a commit, and commits can be few.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from matching.engine.candidates import CandidateIndex
from matching.engine.vectors import Analysed


@dataclass(slots=True)
class _Entry:
    slot: int
    version: int
    vector: bytes


@dataclass(slots=True)
class _Fresh:
    """Items not yet in the candidate index, with the few postings that finding them takes."""

    items: dict[int, Mapping[str, int]] = field(default_factory=dict)
    postings: dict[str, list[int]] = field(default_factory=dict)
    removed: list[int] = field(default_factory=list)

    @property
    def size(self) -> int:
        return len(self.items) + len(self.removed)

    def add(self, slot: int, words: Mapping[str, int]) -> None:
        self.items[slot] = words
        for word in words:
            self.postings.setdefault(word, []).append(slot)

    def scores(self, terms: Mapping[str, float]) -> dict[int, float]:
        found: dict[int, float] = {}
        for term, weight in terms.items():
            for slot in self.postings.get(term, ()):
                found[slot] = found.get(slot, 0.0) + weight
        return found


class Shelf:
    """Items of one kind. Used from one thread, except what `settling` returns."""

    def __init__(self, make_index: Callable[[], CandidateIndex]) -> None:
        self._index = make_index()
        self._entries: dict[str, _Entry] = {}
        self._ids: dict[int, str] = {}
        self._slots = 0
        self._fresh = _Fresh()
        self._settling = _Fresh()
        self._busy = False

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, id: str) -> bool:
        return id in self._entries

    @property
    def unsettled(self) -> int:
        """How many changes are not yet in the candidate index."""
        return self._fresh.size + self._settling.size

    def version(self, id: str) -> int:
        """Return the version of an item that is held, 0 for none."""
        entry = self._entries.get(id)
        return entry.version if entry else 0

    def vector(self, id: str) -> bytes | None:
        """Return an item's vector, None where it is not held."""
        entry = self._entries.get(id)
        return entry.vector if entry else None

    def put(self, id: str, version: int, analysed: Analysed) -> bool:
        """Hold this version of an item; False if the same or a later one is held already."""
        if version <= self.version(id):
            return False
        self.drop(id)
        self._slots += 1
        self._entries[id] = _Entry(self._slots, version, analysed.vector)
        self._ids[self._slots] = id
        self._fresh.add(self._slots, analysed.found_by)
        return True

    def drop(self, id: str) -> bool:
        """Hold an item no longer; False if it was not held."""
        entry = self._entries.pop(id, None)
        if entry is None:
            return False
        del self._ids[entry.slot]
        self._fresh.removed.append(entry.slot)
        return True

    def search(self, terms: Mapping[str, float], most: int) -> list[str]:
        """Return the ids of up to `most` settled items and up to `most` fresh ones that share the terms."""
        slots = dict.fromkeys(self._index.search(terms, most))
        for fresh in (self._fresh, self._settling):
            scores = fresh.scores(terms)
            slots.update(dict.fromkeys(sorted(scores, key=lambda slot: (-scores[slot], slot))[:most]))
        return [self._ids[slot] for slot in slots if slot in self._ids]

    def settling(self) -> Callable[[], int] | None:
        """Return the work of bringing fresh items into the candidate index, None when there is none or it is under way.

        Call this in the owner's thread and what it returns in any other; that blocks for a commit and returns the
        number of changes. If it fails, the items stay findable and the next call takes them up again.
        """
        if self._busy or not (self._settling.size or self._fresh.size):
            return None
        if not self._settling.size:
            self._fresh, self._settling = _Fresh(), self._fresh
        self._busy = True
        return self._settle

    def _settle(self) -> int:
        try:
            batch = self._settling
            for slot, words in batch.items.items():
                self._index.add(slot, words)
            for slot in batch.removed:
                self._index.remove(slot)
            self._index.commit()
            self._settling = _Fresh()
            return batch.size
        finally:
            self._busy = False
