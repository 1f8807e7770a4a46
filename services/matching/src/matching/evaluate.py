"""Measure the engine on a pack of records whose problem statements are known to belong to them.

`python -m matching.evaluate PATH [--limit N]` reads xz-compressed JSON lines with title, abstract, keywords and the
queries `need` and `need_masked`, and prints nDCG@10, recall and what would have been proposed.
"""

import argparse
import asyncio
import json
import lzma
import math
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from matching.engine.engine import Engine, Ranked
from matching.engine.items import Item
from matching.engine.model import Model
from matching.engine.statistics import Statistics

QUERIES = ("need", "need_masked")


@dataclass(slots=True)
class Tally:
    """What was counted over the queries of one kind. Precision is a lower bound: other results may fit, too."""

    asked: int = 0
    gain: float = 0.0
    found: int = 0
    proposed: int = 0
    proposed_right: int = 0
    abstained_without_fit: int = 0
    milliseconds: list[float] = field(default_factory=list)

    def add(self, right: str, ranked: Sequence[Ranked], milliseconds: float) -> None:
        """Count one query whose only known answer is `right`."""
        self.asked += 1
        self.milliseconds.append(milliseconds)
        place = next((at for at, candidate in enumerate(ranked, 1) if candidate.id == right), None)
        if place is not None:
            self.gain += 1 / math.log2(1 + place) if place <= 10 else 0.0
            self.found += place <= 20
        likeliest = sorted(ranked, key=lambda candidate: -candidate.score.probability)[:5]
        fits = [candidate for candidate in likeliest if candidate.score.fits]
        self.proposed += len(fits)
        self.proposed_right += any(candidate.id == right for candidate in fits)
        self.abstained_without_fit += all(candidate.id == right for candidate in fits)

    def line(self, name: str) -> str:
        """Return the figures in one line."""
        if not self.asked:
            return f"{name}: no queries"
        times = sorted(self.milliseconds)
        return (
            f"{name}: n={self.asked} nDCG@10={self.gain / self.asked:.3f} R@20={self.found / self.asked:.3f} "
            f"proposed={self.proposed} precision={self.proposed_right / max(self.proposed, 1):.2f} "
            f"found={self.proposed_right / self.asked:.2f} "
            f"abstain-without-fit={self.abstained_without_fit / self.asked:.2f} "
            f"p50={times[len(times) // 2]:.1f}ms p99={times[int(len(times) * 0.99)]:.1f}ms"
        )


def records(path: str) -> Iterator[dict[str, Any]]:
    """Yield the records of a pack."""
    with lzma.open(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            yield json.loads(line)


def result_item(record: dict[str, Any]) -> Item:
    """Return a record as a result."""
    return Item(record["id"], record["title"], (record["keywords"],), (record["abstract"],))


def evaluate(path: str, limit: int) -> dict[str, Tally]:
    """Index a pack and ask every `n`th of its queries, `limit` of each kind at most."""
    return asyncio.run(_evaluated(list(records(path)), limit))


async def _evaluated(pack: Sequence[dict[str, Any]], limit: int) -> dict[str, Tally]:
    # As the platform learns from its own results, and no more: queries and answers are not looked at.
    statistics = Statistics.learn(map(result_item, pack))
    engine = Engine.in_memory(Model(statistics))
    for version, record in enumerate(pack, 1):
        await engine.put_result(result_item(record), version)
    await engine.settle()
    tallies = {query: Tally() for query in QUERIES}
    for record in pack[:: max(1, len(pack) // limit)]:
        for query in QUERIES:
            if record[query]:
                begun = time.perf_counter()
                ranked = await engine.rank(Item("need", "", (), (record[query],)))
                ranked.sort(key=lambda candidate: -candidate.score.order)
                tallies[query].add(record["id"], ranked, (time.perf_counter() - begun) * 1000)
    return tallies


def main(arguments: Sequence[str] | None = None) -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(prog="python -m matching.evaluate", description=__doc__)
    parser.add_argument("path", help="数据包（.jsonl.xz） / the pack")
    parser.add_argument("--limit", type=int, default=2000, help="每类最多查询数 / queries of each kind at most")
    asked = parser.parse_args(arguments)
    for name, tally in evaluate(asked.path, asked.limit).items():
        sys.stdout.write(tally.line(name) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
