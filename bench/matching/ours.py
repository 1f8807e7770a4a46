"""The engine under measurement: one index of results on disk, filled batch by batch, asked for whole answers."""

import asyncio
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import batched
from pathlib import Path

from matching.engine.bulk import Bulk
from matching.engine.engine import Engine, Ranked
from matching.engine.index.port import Entry, Versions
from matching.engine.index.tantivy_index import TantivyIndex
from matching.engine.items import Item
from matching.engine.model import Model
from matching.engine.phrases import asked
from matching.engine.vectors import result_vector

from bench.matching.corpus import Corpus

BATCH = 1_000
EXPLAINED = 5
"""So many results a need are proposed at most, hence explained."""


@dataclass(frozen=True, slots=True)
class Ours:
    """Results on disk, and the engine that reads them."""

    engine: Engine
    index: TantivyIndex
    corpus: Corpus

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
        return cls(engine, index, corpus)

    async def take(self, numbers: Iterable[int], revision: int = 0) -> None:
        """Take in these results, or revisions of them, a thousand with each commit; the position names the last."""
        bulk, written = Bulk(result_vector, self.engine.model), None
        try:
            for some in batched(numbers, BATCH, strict=False):
                items = [self.corpus.result(number, revision) for number in some]
                made = await bulk.made(items)
                if written is not None:
                    await written  # one batch is written while the next is analysed
                entries = [
                    Entry(item.id, Versions(revision + 1, 0), True, each.found_by, each.vector)
                    for item, each in zip(items, made, strict=True)
                ]
                written = asyncio.create_task(self.index.write(entries, f"{revision}:{some[-1]}"))
            if written is not None:
                await written
        finally:
            bulk.close()

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
