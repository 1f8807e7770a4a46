"""The engine under measurement: one index of results on disk, filled batch by batch, asked for whole answers."""

import asyncio
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import batched
from pathlib import Path

from matching.engine.bulk import Bulk, Made
from matching.engine.engine import Engine, Ranked
from matching.engine.index.port import Entry, Versions
from matching.engine.index.tantivy_index import TantivyIndex
from matching.engine.items import Item
from matching.engine.model import Model
from matching.engine.phrases import asked
from matching.engine.vectors import result_vector
from matching.follower import BUILD_SETTLES

from bench.matching.corpus import Corpus

BATCH = 1_000
EXPLAINED = 5
"""So many results a need are proposed at most, hence explained."""


@dataclass(frozen=True, slots=True)
class _Batch:
    """Items that are being analysed."""

    items: Sequence[Item]
    made: asyncio.Task[list[Made]]
    position: str


@dataclass(frozen=True, slots=True)
class Ours:
    """Results on disk, and the engine that reads them."""

    engine: Engine
    index: TantivyIndex
    corpus: Corpus
    bulk: Bulk

    @classmethod
    def create(cls, folder: Path, corpus: Corpus, model: Model) -> "Ours":
        """Make an empty index."""
        shutil.rmtree(folder, ignore_errors=True)
        return cls._on(TantivyIndex.create(folder, model.baked_version), corpus, model)

    @classmethod
    def open(cls, folder: Path, corpus: Corpus, model: Model, *, writes: bool) -> "Ours":
        """Open one that is there."""
        return cls._on(TantivyIndex.open(folder, writes=writes), corpus, model)

    @classmethod
    def _on(cls, index: TantivyIndex, corpus: Corpus, model: Model) -> "Ours":
        engine = Engine.in_memory(model)
        engine.results.stand_on(index)
        return cls(engine, index, corpus, Bulk(result_vector, model))

    async def begin(self) -> None:
        """Start the processes that analyse."""
        await self.bulk.made([self.corpus.result(number) for number in range(BATCH)])

    async def build(self, numbers: Iterable[int], *, is_last: bool = False) -> None:
        """Take in these results, as many with each commit as the service does where it builds an index anew."""
        items = (self.corpus.result(number) for number in numbers)
        await self.take_items(items, batch=BUILD_SETTLES, is_last=is_last)

    async def take(self, numbers: Iterable[int], revision: int = 0) -> None:
        """Take in these results, or revisions of them, a thousand with each commit; the position names the last."""
        await self.take_items((self.corpus.result(number, revision) for number in numbers), revision)

    async def take_items(
        self, items: Iterable[Item], revision: int = 0, *, batch: int = BATCH, is_last: bool = False
    ) -> None:
        """The same of results that are there."""
        written = asyncio.create_task(asyncio.sleep(0))
        coming = None
        for some in batched(items, batch, strict=False):
            position = f"{revision}:{number_of(some[-1].id)}"
            before, coming = coming, _Batch(some, asyncio.create_task(self.bulk.made(some)), position)
            written = await self._written(before, revision, written)  # while the next is analysed
        await (await self._written(coming, revision, written, is_last=is_last))

    async def _written(
        self, batch: "_Batch | None", revision: int, written: asyncio.Task[None], *, is_last: bool = False
    ) -> asyncio.Task[None]:
        """Begin to write a batch as soon as it is analysed and the one before is written."""
        if batch is None:
            return written
        made = await batch.made
        entries = [
            Entry(item.id, Versions(revision + 1, 0), True, each.found_by, each.vector)
            for item, each in zip(batch.items, made, strict=True)
        ]
        await written
        return asyncio.create_task(self.index.write(entries, batch.position, is_last=is_last))

    async def close(self) -> None:
        """Let go of everything; all that was taken is on the disk."""
        self.bulk.close()
        await self.index.close()

    async def answer(self, need: Item) -> Sequence[Ranked]:
        """Return what a need is answered: results by probability, the best of them explained from their texts."""
        ranked = await self.engine.rank(need)
        best = ranked[:EXPLAINED]
        if best and best[0].scoring is not None:
            texts = [self.corpus.result(number_of(each.id)) for each in best]
            asked(need, *best[0].scoring).coverages([each.vector for each in best], texts)
        return ranked


def number_of(id: str) -> int:
    """Return the number that a result's id was made from."""
    return int(id[-12:], 16)
