"""Measure searching on a pack of records: the beginning of a title, as it is, with a slip, and in pinyin.

`python -m matching.search.evaluate PATH [--limit N]` reads xz-compressed JSON lines with id, title, keywords and
abstract, and prints for each way of typing the mean reciprocal rank of the record it came from, and the time taken.
"""

import argparse
import asyncio
import random
import sys
import time
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Final

from matching.evaluate import records, result_item
from matching.search.documents import Document, Kind
from matching.search.index import SearchIndex
from matching.search.pinyin import readings
from matching.search.searching import Reader, Search

_TYPED: Final = 12
"""Characters of the title that are typed."""
_SPELT: Final = 6
"""Characters of the title that are spelt in pinyin."""
_ANYBODY: Final = Reader(None, operator=False)


def with_a_slip(text: str, chance: random.Random) -> str:
    """Return the text with one character replaced by another that is read the same, where there is one."""
    places = [at for at, character in enumerate(text) if len(_alike(character)) > 1]
    if not places:
        return text
    at = chance.choice(places)
    return text[:at] + chance.choice([other for other in _alike(text[at]) if other != text[at]]) + text[at + 1 :]


def in_pinyin(text: str) -> str:
    """Return the first Chinese characters of a text as somebody types them."""
    spoken = [found[0] for character in text if (found := readings(character))]
    return "".join(spoken[:_SPELT])


@cache
def _alike(character: str) -> tuple[str, ...]:
    sound = readings(character)[:1]
    common = map(chr, range(0x4E00, 0x9FA6))
    return tuple(other for other in common if sound and readings(other)[:1] == sound)


async def evaluate(path: str, limit: int) -> Mapping[str, tuple[float, Sequence[float]]]:
    """Return, for each way of typing, the mean reciprocal rank and the sorted times in milliseconds."""
    index = SearchIndex()
    documents: dict[str, Document] = {}
    for record in records(path):
        item = result_item(record)
        documents[item.id] = Document(Kind.RESULT, item, None, frozenset(), open_to_all=True, tags=())
        index.put(documents[item.id])
    index.commit()

    async def read(ids: Sequence[str]) -> Mapping[str, Document]:
        return {id: documents[id] for id in ids}

    search, chance = Search(index, {Kind.RESULT: read}), random.Random(1)  # noqa: S311
    ranks: dict[str, list[float]] = {"literal": [], "slip": [], "pinyin": []}
    times: dict[str, list[float]] = {name: [] for name in ranks}
    for id in chance.sample(list(documents), min(limit, len(documents))):
        title = documents[id].item.title[:_TYPED]
        for name, typed in (("literal", title), ("slip", with_a_slip(title, chance)), ("pinyin", in_pinyin(title))):
            begun = time.perf_counter()
            found = [each.document.item.id for each in (await search.find(typed, {}, _ANYBODY)).found]
            times[name].append((time.perf_counter() - begun) * 1000)
            ranks[name].append(1 / (found.index(id) + 1) if id in found else 0.0)
    return {name: (sum(got) / len(got), sorted(times[name])) for name, got in ranks.items()}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(prog="python -m matching.search.evaluate", description=__doc__)
    parser.add_argument("path", help="数据包（.jsonl.xz） / the pack")
    parser.add_argument("--limit", type=int, default=300, help="最多多少条 / records at most")
    asked = parser.parse_args(arguments)
    for name, (rank, times) in asyncio.run(evaluate(asked.path, asked.limit)).items():
        p50, p99 = times[len(times) // 2], times[int(len(times) * 0.99)]
        sys.stdout.write(f"{name}: n={len(times)} MRR={rank:.3f} p50={p50:.1f}ms p99={p99:.1f}ms\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
