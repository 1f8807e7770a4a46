"""Many items analysed at once, by processes beside this one: for a build, and for whoever reads many changes.

What comes back is what `need_vector` and `result_vector` return here, in the order of the items. If a process dies, or
none can be started, the items are analysed in this one: slower, and the same.
"""

import asyncio
import gc
import multiprocessing
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from itertools import batched
from typing import Final, NamedTuple

import structlog

from matching.bilingual.lexicon import Lexicon
from matching.engine import model_file
from matching.engine.index.port import FoundBy
from matching.engine.items import Item
from matching.engine.model import Model
from matching.engine.vectors import Analysed

FROM: Final = 100
"""Fewer items are analysed in this process."""
_AT_ONCE: Final = 50
"""Items that one process takes at a time: some twenty milliseconds."""
_PATIENCE: Final = 5
"""How far a process stands back, as `nice` counts it."""
_LOOKED_THROUGH: Final = 20_000
"""Objects after which such a process collects its garbage, of which an analysis leaves next to none."""

type Analyse = Callable[[Item, Model], Analysed]
log = structlog.get_logger("qianqiao.matching.bulk")


def stand_back() -> None:
    """Have this process work when those have nothing to do that somebody waits for, where the system knows of that."""
    if hasattr(os, "nice"):
        os.nice(_PATIENCE)


class Made(NamedTuple):
    """What an index holds of an item."""

    vector: bytes
    found_by: Mapping[str, int]


class Bulk:
    """Processes that analyse items of one kind with one model. They are started when they are first needed."""

    def __init__(self, analyse: Analyse, model: Model, workers: int | None = None) -> None:
        """Use `analyse`, a function of a module, in so many processes (None: one for each core)."""
        self._analyse = analyse
        self._model = model
        self._workers = workers or os.process_cpu_count() or 1
        self._pool: ProcessPoolExecutor | None = None
        self._broken = False

    async def made(self, items: Sequence[Item]) -> list[Made]:
        """Return what is to be held of items, in their order."""
        if len(items) >= FROM and not self._broken:
            try:
                return await self._by_others(items)
            except (BrokenProcessPool, OSError) as error:
                self._broken = True
                log.warning("analysis in this process", reason=str(error))
                self.close()
        found = []
        for some in batched(items, _AT_ONCE, strict=False):
            found += [_made(self._analyse, item, self._model) for item in some]
            await asyncio.sleep(0)
        return found

    async def _by_others(self, items: Sequence[Item]) -> list[Made]:
        if self._pool is None:
            context = multiprocessing.get_context("spawn")
            given = (self._analyse, model_file.to_bytes(self._model))
            self._pool = ProcessPoolExecutor(self._workers, context, _begin, given)
        loop = asyncio.get_running_loop()
        parts = [loop.run_in_executor(self._pool, _work, part) for part in batched(items, _AT_ONCE, strict=False)]
        return [Made(vector, FoundBy(text)) for part in await asyncio.gather(*parts) for vector, text in part]

    def close(self) -> None:
        """End the processes; they are started anew if needed."""
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.shutdown(wait=False, cancel_futures=True)


def _made(analyse: Analyse, item: Item, model: Model) -> Made:
    analysed = analyse(item, model)
    return Made(analysed.vector, analysed.found_by)


# ---- in the other process -------------------------------------------------------------------------------------------

_given: list[tuple[Analyse, Model]] = []


def _begin(analyse: Analyse, model: bytes) -> None:
    threading.Thread(target=_end_with_parent, daemon=True).start()
    stand_back()
    _given.append((analyse, model_file.from_bytes(model, Lexicon.from_bytes)))
    gc.freeze()  # looking through the model again and again for what is not referred to any more takes a twentieth
    gc.set_threshold(_LOOKED_THROUGH)


def _end_with_parent() -> None:
    """A parent that was killed closes nothing: without this, its processes would wait for work forever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
    os._exit(1)


def _work(items: Sequence[Item]) -> list[tuple[bytes, str]]:
    analyse, model = _given[-1]
    made = (_made(analyse, item, model) for item in items)
    return [(each.vector, FoundBy.text_of(each.found_by)) for each in made]
