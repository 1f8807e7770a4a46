"""One side of the market: what its index holds, and over it what is fresh and not yet there.

What was put is found at once: fresh items are looked through directly until a commit has brought them into the index.
So nobody waits for a commit, and commits can be few. Of what is in the index nothing is kept here, so that a million
items cost no memory of this process and no time at its start.
"""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from matching.engine.bulk import Bulk, Made
from matching.engine.index.port import CandidateIndex, Entry, Held, IndexDamagedError, NotTheWriterError, Versions
from matching.engine.items import Item
from matching.engine.model import Model
from matching.engine.vectors import Analysed
from matching.unavailable import IndexBeingRebuilt

type Analyse = Callable[[Item, Model], Analysed]


@dataclass(slots=True)
class _Fresh:
    """Items that the index does not show yet, with the few postings that finding them takes."""

    items: dict[str, Entry] = field(default_factory=dict)
    postings: defaultdict[str, dict[str, None]] = field(default_factory=lambda: defaultdict(dict))
    waiting: list[Entry] = field(default_factory=list)
    """Those without postings: nobody searched since they came. Nobody does while an index is built."""

    def put(self, entry: Entry) -> None:
        self.items[entry.id] = entry
        if entry.is_open:
            self.waiting.append(entry)

    def search(self, terms: Mapping[str, float], most: int) -> list[Entry]:
        for entry in self.waiting:
            for term in entry.terms:
                self.postings[term][entry.id] = None
        self.waiting.clear()
        scores: dict[str, float] = {}
        for term, weight in terms.items():
            for id in self.postings.get(term, ()):
                if term in self.items[id].terms:  # a later version may not have it any more
                    scores[id] = scores.get(id, 0.0) + weight
        return [self.items[id] for id in sorted(scores, key=lambda id: (-scores[id], id))[:most]]


class Shelf:
    """Items of one kind, analysed with one model. All methods are called in one event loop.

    Without an index, or with one that turned out to be damaged, reading raises IndexBeingRebuilt.
    """

    def __init__(self, analyse: Analyse, model: Model, index: CandidateIndex | None = None) -> None:
        self._analyse = analyse
        self._model = model
        self._index = index
        self._fresh = _Fresh()
        self._settling = _Fresh()
        self._busy: asyncio.Lock = asyncio.Lock()
        self._settled = 0
        self._changes = 0
        self._ahead: dict[str, tuple[Item, Made]] = {}
        self.damage: IndexDamagedError | None = None
        """What was found to be wrong with the index; nothing is read from it any more."""

    # ---- what it stands on ------------------------------------------------------------------------------------------

    @property
    def model(self) -> Model:
        """With which its items were analysed, and what is compared with them must be."""
        return self._model

    @property
    def index(self) -> CandidateIndex | None:
        """The index below; None where there is none."""
        return self._index

    @property
    def position(self) -> str | None:
        """How far the store had been followed when what is in the index was written."""
        return None if self._index is None else self._index.position

    @property
    def readable(self) -> bool:
        """Whether there is an index that can be asked."""
        return self._index is not None and self.damage is None

    @property
    def size(self) -> int:
        """About how many items it knows, closed ones among them; one that is being replaced counts twice meanwhile."""
        return self.unsettled + (0 if self._index is None else self._index.size)

    @property
    def unsettled(self) -> int:
        """How many changes are not yet in the index."""
        return len(self._fresh.items) + len(self._settling.items)

    @property
    def changes(self) -> int:
        """Grows with everything that may change what a search finds. Settling does not: it finds the same items."""
        return self._changes

    def stand_on(self, index: CandidateIndex | None) -> CandidateIndex | None:
        """Go on with another opening of the same index; what is fresh stays. Return the one before."""
        before, self._index, self.damage = self._index, index, None
        self._settled += 1
        self._changes += 1
        return before

    def become(self, other: "Shelf") -> CandidateIndex | None:
        """Take over all that a shelf built meanwhile holds, in one step; return the index before."""
        before = self._index
        self._model, self._index, self.damage = other._model, other._index, other.damage
        self._fresh, self._settling = other._fresh, other._settling
        self._settled += 1
        self._changes += 1
        return before

    def unchanging(self) -> asyncio.Lock:
        """While this is held, nothing is settled and nothing dropped. To be held for `become`, on both shelves."""
        return self._busy

    def distrust(self, damage: IndexDamagedError) -> IndexBeingRebuilt:
        """Read nothing more from the index; return what to raise."""
        self.damage = damage
        return IndexBeingRebuilt(str(damage))

    def score_with(self, model: Model) -> None:
        """Score with this model from now on. ValueError where what is held was made with another one."""
        if self._index is not None and model.baked_version != self._model.baked_version:
            raise ValueError("its vectors were made with another model")
        self._model = model
        self._changes += 1

    def successor(self, model: Model, index: CandidateIndex) -> "Shelf":
        """Return an empty shelf of the same kind."""
        return Shelf(self._analyse, model, index)

    # ---- reading ----------------------------------------------------------------------------------------------------

    async def search(self, terms: Mapping[str, float], most: int) -> list[Held]:
        """Return up to `most` settled items and up to `most` fresh ones that share the terms; open ones only."""
        # First what is fresh: what is settled during the search is then seen at least once.
        fresh: dict[str, Held] = {}
        for layer in (self._settling, self._fresh):
            if layer.items:
                fresh |= {entry.id: _held(entry) for entry in layer.search(terms, most)}
        seen = self._settling.items.keys() | self._fresh.items.keys()
        settled = await self._ask(lambda index: index.search(terms, most))
        hidden = seen | self._settling.items.keys() | self._fresh.items.keys()
        if not hidden:
            return list(settled)
        now = (self._latest(id) or then for id, then in fresh.items())
        return [*(held for held in settled if held.id not in hidden), *(held for held in now if held.is_open)]

    async def get(self, ids: Iterable[str]) -> dict[str, Held]:
        """Return the items that are held, by id, as they are now."""
        asked = list(dict.fromkeys(ids))
        while True:
            settled = self._settled
            missing = [id for id in asked if self._latest(id) is None]
            found = await self._ask(lambda index, missing=missing: index.get(missing)) if missing else {}  # type: ignore[misc]
            if settled == self._settled:  # else something may have gone from here to there while it was looked for
                latest = {id: self._latest(id) or found.get(id) for id in asked}
                return {id: held for id, held in latest.items() if held is not None}

    def _latest(self, id: str) -> Held | None:
        entry = self._fresh.items.get(id) or self._settling.items.get(id)
        return None if entry is None else _held(entry)

    async def _ask[T](self, question: Callable[[CandidateIndex], Awaitable[T]]) -> T:
        if self._index is None or self.damage is not None:
            raise IndexBeingRebuilt(str(self.damage or "not open yet"))
        index = self._index
        try:
            return await question(index)
        except IndexDamagedError as damage:
            if index is self._index:
                raise self.distrust(damage) from damage
            raise IndexBeingRebuilt(str(damage)) from damage

    # ---- writing ----------------------------------------------------------------------------------------------------

    def entry(self, id: str, versions: Versions, item: Item | None, *, is_open: bool) -> Entry:
        """Return what is to be held of an item; None where its content is not known, or of no use."""
        if item is None or not is_open:
            return Entry(id, versions, is_open, {}, b"")
        before, made = self._ahead.pop(id, (None, None))
        if made is None or before != item:
            analysed = self._analyse(item, self._model)
            made = Made(analysed.vector, analysed.found_by)
        return Entry(id, versions, True, made.found_by, made.vector)

    def bulk(self) -> Bulk:
        """Return what analyses many items for `expect`; the caller closes it."""
        return Bulk(self._analyse, self._model)

    def expect(self, items: Sequence[Item], made: Sequence[Made]) -> None:
        """Have these at hand for `entry`, as `bulk` made them; what was expected before is dropped."""
        self._ahead = {item.id: (item, each) for item, each in zip(items, made, strict=True)}

    def put(self, entry: Entry) -> None:
        """Hold this in place of whatever is held under its id. Versions are the caller's to compare."""
        self._changes += 1
        self._fresh.put(entry)

    async def settle(
        self,
        position: Callable[[], str | None] = lambda: None,
        *,
        at_any_rate: bool = False,
        is_last: bool = False,
    ) -> int:
        """Bring what is fresh into the index; return how many changes that were. `is_last`: see `CandidateIndex.write`.

        `position` is asked when it is sure what is written; alone it is written only `at_any_rate`. If writing fails,
        all stays findable and is written next time; so it does where another process writes.
        """
        async with self._busy:
            index = self._index
            if index is None or self.damage is not None:
                return 0
            said = position()
            if not self._fresh.items and not at_any_rate:
                return 0
            self._fresh, self._settling = _Fresh(), self._fresh
            try:
                await self._ask(lambda index: index.write(list(self._settling.items.values()), said, is_last=is_last))
            except NotTheWriterError:
                self._restore()
                return 0
            except BaseException:
                self._restore()
                raise
            written, self._settling = len(self._settling.items), _Fresh()
            self._settled += 1
            return written

    async def refresh(self) -> bool:
        """Take note of what another process wrote: what it holds as well need not be fresh here any more."""
        async with self._busy:
            if self._index is None or self.damage is not None:
                return False
            if not await self._ask(lambda index: index.refresh()):
                return False
            fresh = dict(self._fresh.items)
            held = await self._ask(lambda index: index.get(list(fresh))) if fresh else {}
            kept = _Fresh()
            for id, entry in self._fresh.items.items():
                if id not in held or not _covers(held[id].versions, entry.versions):
                    kept.put(entry)
            self._fresh = kept
            self._settled += 1
            self._changes += 1
            return True

    def _restore(self) -> None:
        """Make fresh again what could not be written; what came meanwhile is later."""
        restored = self._settling
        for entry in self._fresh.items.values():
            restored.put(entry)
        self._fresh, self._settling = restored, _Fresh()


def _held(entry: Entry) -> Held:
    return Held(entry.id, entry.versions, entry.is_open, entry.vector)


def _covers(one: Versions, other: Versions) -> bool:
    """Whether everything of `other` is in `one`."""
    return all(mine >= theirs for mine, theirs in zip(one, other, strict=True))


def open_with_content(held: Sequence[Held]) -> list[Held]:
    """Those of them that can be scored."""
    return [each for each in held if each.is_open and each.vector]
