"""``python -m bench.opensearch``: the candidate index in OpenSearch beside the one on tantivy, in one run.

Documents are made of terms drawn by Zipf's law and of random bytes in the size of real vectors; a search asks for 16
terms of a document, the rare ones, and takes 200 items with their vectors. Both engines get the same. On one machine
OpenSearch can only lose: it shares the processors with what asks it, and every answer crosses a connection. The figures
say what that costs; what it buys is not in them (many processes without a copy each).
"""

import argparse
import asyncio
import os
import random
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from itertools import accumulate, batched
from pathlib import Path
from statistics import quantiles

from matching.engine.index.opensearch_client import OpenSearchClient
from matching.engine.index.opensearch_index import OpenSearchIndex
from matching.engine.index.port import CandidateIndex, Entry, Versions
from matching.engine.index.tantivy_index import TantivyIndex
from qianqiao_stack.opensearch import OpenSearch

VOCABULARY, TERMS, ASKED, FOUND, VECTOR = 50_000, 90, 16, 200, 700
_WARM = 100


def documents(count: int, chance: random.Random) -> Iterator[Entry]:
    """Make documents: about ninety terms each, a few of them counted twice."""
    weights = list(accumulate(1 / (rank + 10) for rank in range(VOCABULARY)))
    for number in range(count):
        ranks = chance.choices(range(VOCABULARY), cum_weights=weights, k=TERMS)
        terms = {f"词{rank}": chance.choice((1, 1, 1, 2)) for rank in ranks}
        yield Entry(f"result-{number:08}", Versions(1, 0), True, terms, chance.randbytes(VECTOR))


def asked(entries: Sequence[Entry], count: int, chance: random.Random) -> list[dict[str, float]]:
    """Make searches: the rarest terms of a document, the rarer the heavier."""
    searches = []
    for entry in chance.choices(entries, k=count):
        rarest = sorted(entry.terms, key=lambda term: -int(term[1:]))[:ASKED]
        searches.append({term: 20.0 - place for place, term in enumerate(rarest)})
    return searches


async def timed(work: Callable[[], Awaitable[object]]) -> float:
    """Seconds."""
    began = time.perf_counter()
    await work()
    return time.perf_counter() - began


async def measure(index: CandidateIndex, entries: Sequence[Entry], searches: Sequence[Mapping[str, float]]) -> str:
    """Write all, search one after the other, then sixteen at a time."""
    written = 0.0
    for number, some in enumerate(batched(entries, 500, strict=False)):
        written += await timed(lambda some=some, number=number: index.write(some, str(number)))  # type: ignore[misc]
    for search in searches[:_WARM]:
        await index.search(search, FOUND)
    alone = [await timed(lambda search=search: index.search(search, FOUND)) for search in searches]  # type: ignore[misc]
    hits = [len(await index.search(search, FOUND)) for search in searches[:20]]

    async def searched(some: Sequence[Mapping[str, float]]) -> None:
        for search in some:
            await index.search(search, FOUND)

    parts = [searches[start::16] for start in range(16)]
    together = await timed(lambda: asyncio.gather(*(searched(part) for part in parts)))
    cuts = quantiles(alone, n=100)
    return (
        f"{len(entries) / written:8.0f} documents/s   {cuts[49] * 1e3:6.1f} {cuts[98] * 1e3:6.1f} ms"
        f"   {len(searches) / together:6.0f} searches/s   {sum(hits) / len(hits):.0f} found"
    )


async def run(count: int, searches: int) -> None:
    """Print both."""
    chance = random.Random(1)
    entries = list(documents(count, chance))
    wanted = asked(entries, searches, chance)
    print(f"{count} 条 documents, {searches} 次检索 searches, load {os.getloadavg()[0]:.1f}, {os.cpu_count()} CPU")
    print("            写入 written          p50    p99         十六路并发 16 at a time")
    with tempfile.TemporaryDirectory() as folder:
        local = TantivyIndex.create(Path(folder) / "index", "bench")
        print("tantivy   ", await measure(local, entries, wanted))
        await local.close()
    server = OpenSearch(quick=False)
    try:
        await server.start()
        index = await OpenSearchIndex.build(OpenSearchClient(server.url), "bench", "bench")
        print("OpenSearch", await measure(index, entries, wanted))
        await index.close()
    finally:
        server.remove()
    print(f"load {os.getloadavg()[0]:.1f}")


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--documents", type=int, default=50_000)
    parser.add_argument("--searches", type=int, default=500)
    given = parser.parse_args()
    asyncio.run(run(given.documents, given.searches))


if __name__ == "__main__":
    main()
