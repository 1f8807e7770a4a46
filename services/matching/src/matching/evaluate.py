"""Measure the engine on a pack of records whose problem statements are known to belong to them.

`python -m matching.evaluate PATH [--limit N] [--model FILE] [--held-back]` reads xz-compressed JSON lines with id,
title, abstract, keywords and the queries `need` and `need_masked` (and title_en), indexes all of them and prints, by
kind of query, nDCG@10, recall and reciprocal rank, what would have been proposed and how much of it is right, in how
many cases nothing is proposed once the right record is gone, and the time an answer takes.

The weights of terms are learnt from the records themselves, as a platform learns them from its own results, unless a
fitted model brings its own; the calibration is then the shipped one, which was learnt on another collection. English
titles are asked with lexicons learnt from the other records' titles and keywords, never from their own.
"""

import argparse
import asyncio
import json
import lzma
import math
import sys
import time
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final
from zlib import crc32

from matching.bilingual.lexicon import Pair, learn, pairs_of
from matching.engine.engine import Engine
from matching.engine.implied import Implied
from matching.engine.items import Item
from matching.engine.model import Model
from matching.engine.score import Score, score_results
from matching.engine.shelf import open_with_content
from matching.engine.statistics import Statistics
from matching.engine.tables import table
from matching.engine.vectors import need_vector
from matching.fit.fitting import is_held_back
from matching.fit.record import read

QUERIES: Final = ("need", "need_masked")
ENGLISH: Final = "title_en"
_FOUND: Final[int] = table("weights")["candidates"]["found"]
_PROPOSED: Final[int] = table("policy")["proposals"]["per_need"]
_FOLDS: Final = 10

type Ordered = Sequence[tuple[str, Score]]


@dataclass(slots=True)
class Tally:
    """What was counted over the queries of one kind. Precision is a lower bound: other results may fit, too."""

    asked: int = 0
    gain: float = 0.0
    found: int = 0
    reciprocal: float = 0.0
    proposed: int = 0
    proposed_right: int = 0
    abstained_without_fit: int = 0
    milliseconds: list[float] = field(default_factory=list)

    def add(self, right: str, ordered: Ordered, without: Ordered, milliseconds: float) -> None:
        """Count one query whose only known answer is `right`; `without` is the answer when that is not there."""
        self.asked += 1
        self.milliseconds.append(milliseconds)
        place = next((at for at, (id, _) in enumerate(ordered, 1) if id == right), None)
        if place is not None:
            self.gain += 1 / math.log2(1 + place) if place <= 10 else 0.0
            self.found += place <= 20
            self.reciprocal += 1 / place
        likeliest = sorted(ordered, key=lambda pair: -pair[1].probability)[:_PROPOSED]
        fits = [id for id, score in likeliest if score.fits]
        self.proposed += len(fits)
        self.proposed_right += right in fits
        self.abstained_without_fit += not any(score.fits for _, score in without)

    def line(self, name: str) -> str:
        """Return the figures in one line."""
        if not self.asked:
            return f"{name}: no queries"
        times = sorted(self.milliseconds)
        return (
            f"{name}: n={self.asked} nDCG@10={self.gain / self.asked:.3f} R@20={self.found / self.asked:.3f} "
            f"MRR={self.reciprocal / self.asked:.3f} "
            f"proposed={self.proposed} precision={self.proposed_right / max(self.proposed, 1):.3f} "
            f"found={self.proposed_right / self.asked:.3f} "
            f"abstain-without-fit={self.abstained_without_fit / self.asked:.3f} "
            f"p50={times[len(times) // 2]:.1f}ms p99={times[int(len(times) * 0.99)]:.1f}ms"
        )


def records(path: str) -> Iterator[dict[str, Any]]:
    """Yield the records of a pack."""
    with lzma.open(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            yield json.loads(line)


def result_item(record: Mapping[str, Any]) -> Item:
    """Return a record as a result."""
    return Item(record["id"], record["title"], (record["keywords"],), (record["abstract"],))


def evaluate(path: str, limit: int, model: Model | None = None, *, held_back: bool = False) -> dict[str, Tally]:
    """Index a pack and ask every `n`th of its queries, `limit` of each kind at most.

    `held_back`: only those that a fit on this pack never saw.
    """
    return asyncio.run(_evaluated(list(records(path)), limit, model, held_back=held_back))


async def _evaluated(
    pack: Sequence[Mapping[str, Any]], limit: int, model: Model | None, *, held_back: bool
) -> dict[str, Tally]:
    items = [result_item(record) for record in pack]
    model = model or _learnt(items)
    if not model.is_calibrated:
        sys.stderr.write(
            f"校准来自另一词频（{model.calibration.statistics}），概率只是近似 / the calibration was learnt with other "
            f"statistics than {model.statistics.version}: probabilities are approximate\n"
        )
    engine = Engine.in_memory(model)
    for version, item in enumerate(items, 1):
        await engine.put_result(item, version)
    await engine.settle()
    tallies = {query: Tally() for query in QUERIES}
    chosen = [record for record in pack if not held_back or is_held_back(record["id"])]
    chosen = chosen[:: max(1, len(chosen) // limit)]
    for record in chosen:
        for query in QUERIES:
            if record.get(query):
                await _ask(engine, model, record[query], record["id"], tallies[query])
    if any(record.get(ENGLISH) for record in pack):
        tallies[ENGLISH] = await _english(engine, model, pack, {record["id"] for record in chosen})
    return tallies


def _learnt(items: Sequence[Item]) -> Model:
    statistics = Statistics.learn(items)
    return Model.learnt(statistics, Implied.learn(items, statistics))


async def _english(engine: Engine, model: Model, pack: Sequence[Mapping[str, Any]], asked: Container[str]) -> Tally:
    tally = Tally()
    for fold in range(_FOLDS):
        inside = [record for record in pack if _fold(record) == fold and record["id"] in asked and record.get(ENGLISH)]
        if not inside:
            continue
        bilingual = replace(model, lexicon=learn(_taught(record for record in pack if _fold(record) != fold)))
        for record in inside:
            await _ask(engine, bilingual, record[ENGLISH], record["id"], tally)
    return tally


def _fold(record: Mapping[str, Any]) -> int:
    return crc32(record["id"].encode()) % _FOLDS


def _taught(pack: Iterable[Mapping[str, Any]]) -> Iterator[Pair]:
    for record in pack:
        if record.get(ENGLISH):
            keywords = record.get("keywords_en") or ""
            yield from pairs_of(record["title"], [record["keywords"]], record[ENGLISH], [keywords])


async def _ask(engine: Engine, model: Model, text: str, right: str, tally: Tally) -> None:
    begun = time.perf_counter()
    need = need_vector(Item("need", "", (), (text,)), model)
    held = open_with_content(await engine.results.search(need.heaviest, _FOUND))
    scores = score_results(need.vector, [each.vector for each in held], model, foreign=need.foreign)
    ordered = _ordered(list(zip([each.id for each in held], scores, strict=True)))
    took = (time.perf_counter() - begun) * 1000
    others = [each for each in held if each.id != right]
    left = score_results(need.vector, [each.vector for each in others], model, foreign=need.foreign)
    without = _ordered(list(zip([each.id for each in others], left, strict=True)))
    tally.add(right, ordered, without, took)


def _ordered(scored: Ordered) -> Ordered:
    return sorted(scored, key=lambda pair: (-pair[1].order, pair[0]))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(prog="python -m matching.evaluate", description=__doc__)
    parser.add_argument("path", help="数据包（.jsonl.xz） / the pack")
    parser.add_argument("--limit", type=int, default=2000, help="每类最多查询数 / queries of each kind at most")
    parser.add_argument("--model", type=Path, help="模型文件，默认随服务所带 / a fitted model")
    parser.add_argument("--held-back", action="store_true", help="只问拟合时留出的 / only what a fit never saw")
    asked = parser.parse_args(arguments)
    model = read(asked.model) if asked.model else None
    for name, tally in evaluate(asked.path, asked.limit, model, held_back=asked.held_back).items():
        sys.stdout.write(tally.line(name) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
