"""How fast an index is built anew from a store: `python -m bench.matching.rebuild --documents N --mongo URL`.

The whole way that the service takes: pages of documents from a real store, each content read by its contract, its text
analysed by processes beside this one, index and position committed. Prints one JSON object. The database
`bench_rebuild` of that store is used and dropped.
"""

import argparse
import asyncio
import json
import os
import re
import sys
import tempfile
import time
from datetime import UTC, datetime
from itertools import batched
from pathlib import Path
from typing import Any

from matching.copies import Copies
from matching.engine.contents import result_item
from matching.engine.engine import Engine
from matching.engine.index.tantivy_index import TantivyIndex
from matching.engine.items import Item
from matching.follower import Follower, Pace
from pymongo import AsyncMongoClient
from qianqiao_chassis.clock import SystemClock
from qianqiao_chassis.store.client import Store
from qianqiao_chassis.store.projection import Projection
from qianqiao_contracts import Maturity, ResultContent, Sector

from bench.matching.corpus import corpus_of
from bench.matching.model import model_for

DATABASE = "bench_rebuild"
_AT_ONCE = 32
_TITLE, _SUMMARY, _KEYWORD, _KEYWORDS = 80, 1_000, 30, 5
"""Bounds of the contract."""


def content_of(item: Item) -> ResultContent:
    """Return a result that says what an item says."""
    (_, title), (_, keywords), (_, body) = item.fields
    return ResultContent(
        parties=("party-bench",),
        title=title[:_TITLE],
        summary=body[:_SUMMARY],
        sectors=(Sector.of("precision_instruments"),),
        keywords=tuple(word[:_KEYWORD] for word in re.split(r"[\s,，;；]+", keywords)[:_KEYWORDS] if word),
        maturity=Maturity(trl=6),
        last_confirmed=datetime(2026, 9, 1, tzinfo=UTC),
    )


async def measure(documents: int, mongo: str, pack: str) -> dict[str, Any]:
    """Fill a store, build an index from it, and look whether everything is in it."""
    client: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(mongo)
    await client.drop_database(DATABASE)
    try:
        async with Store(mongo, DATABASE) as store:
            copies = Copies(Projection(store, "results"), ResultContent, SystemClock())
            await _fill(copies, documents, pack)
            return await _build(copies, documents, pack)
    finally:
        await client.drop_database(DATABASE)
        await client.close()


async def _fill(copies: Copies[ResultContent], documents: int, pack: str) -> None:
    corpus = corpus_of(pack)
    begun = time.monotonic()
    for some in batched(range(documents), _AT_ONCE, strict=False):
        items = [corpus.result(number) for number in some]
        await asyncio.gather(*(copies.put_content(item.id, 1, content_of(item)) for item in items))
        if some[0] % (200 * _AT_ONCE) == 0:
            print(f"  {some[-1] + 1:,} 项已存 stored, {time.monotonic() - begun:.0f} s", file=sys.stderr, flush=True)


async def _build(copies: Copies[ResultContent], documents: int, pack: str) -> dict[str, Any]:
    model = model_for(corpus_of(pack))
    engine = Engine.closed(model)
    follower = Follower("results", copies, result_item, engine.results, Pace(copies.now() - copies.now(), 0.0))
    with tempfile.TemporaryDirectory(prefix="qianqiao-rebuild-") as folder:
        index = TantivyIndex.create(Path(folder) / "index", model.baked_version)
        shadow = engine.results.successor(model, index)
        begun = time.perf_counter()
        await follower.build(shadow, lambda done: None)
        taken = time.perf_counter() - begun
        held = index.size
        await index.close()
    return {"documents": documents, "seconds": taken, "rate": documents / taken, "held": held}


def main() -> int:
    """Measure and print; 1 where something is missing from the index."""
    parser = argparse.ArgumentParser(prog="python -m bench.matching.rebuild", description=__doc__)
    parser.add_argument("--documents", type=int, default=50_000, help="成果数 · results")
    parser.add_argument("--mongo", required=True, help="文档库地址 · where the store is")
    parser.add_argument("--pack", default="", help="数据包 · the pack; without it demonstration data")
    given = parser.parse_args()
    load = os.getloadavg()[0]
    found = asyncio.run(measure(given.documents, given.mongo, given.pack))
    print(json.dumps(found | {"load_before": load}))
    return 0 if found["held"] == given.documents else 1


if __name__ == "__main__":
    sys.exit(main())
