"""Measure finding Chinese records by English titles.

`python -m matching.bilingual.evaluate PATH [--folds N]` reads xz-compressed JSON lines with title, abstract, keywords,
title_en and keywords_en. The index holds the Chinese fields alone. The lexicon for a query is learnt from the other
folds, never from the record it belongs to. Every record is scored, none preselected: by the engine's own score, with
the shipped statistics and with such as are learnt from the records; and, for comparison, by the covered weight alone.
"""

import argparse
import math
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final
from zlib import crc32

import numpy as np
import numpy.typing as npt

from matching.bilingual.expansion import expanded
from matching.bilingual.lexicon import Lexicon, learn, pairs_of
from matching.engine.analyzer import bigrams, is_han, words
from matching.engine.items import Item
from matching.engine.model import Model
from matching.engine.score import score_results
from matching.engine.statistics import Statistics
from matching.engine.tables import table
from matching.engine.vectors import need_vector, result_vector
from matching.evaluate import records, result_item

type Floats = npt.NDArray[np.float64]
_UNKNOWN: Final = 8.0
"""What an English word says that is in no pair."""


@dataclass(slots=True)
class Tally:
    """Queries asked, and how well their record was placed."""

    asked: int = 0
    gain: float = 0.0
    found: int = 0

    def add(self, scores: Floats, right: int) -> None:
        """Count one query; records with equal scores share their places."""
        before = int((scores > scores[right]).sum()) + (int((scores == scores[right]).sum()) - 1) // 2
        self.asked += 1
        self.gain += 1 / math.log2(2 + before) if before < 10 else 0.0
        self.found += before < 20

    def line(self, name: str) -> str:
        """Return the figures in one line."""
        asked = max(self.asked, 1)
        return f"{name}: n={self.asked} nDCG@10={self.gain / asked:.3f} R@20={self.found / asked:.3f}"


class Postings:
    """For each term the records that hold it, with how fully each is covered (BM25F, settings of data/weights.toml)."""

    def __init__(self, items: Sequence[Item], unit: str, terms: Callable[[str], list[str]]) -> None:
        self._size = len(items)
        self._held: dict[str, list[tuple[int, float]]] = {}
        for at, item in enumerate(items):
            for term, saturation in _saturations([(name, terms(text)) for name, text in item.fields], unit):
                self._held.setdefault(term, []).append((at, saturation))

    def scores(self, weights: Mapping[str, float]) -> Floats:
        """Return the covered weight of every record, the greatest being 1."""
        total = np.zeros(self._size)
        for term, weight in weights.items():
            for at, saturation in self._held.get(term, ()):
                total[at] += weight * saturation
        return total / max(float(total.max()), 1e-9)


def _saturations(fields: Sequence[tuple[str, list[str]]], unit: str) -> Iterator[tuple[str, float]]:
    settings = table("weights")["bm25f"]
    total: dict[str, float] = {}
    for name, terms in fields:
        of_field = settings["fields"][name]
        norm = 1 - of_field["b"] + of_field["b"] * len(terms) / of_field[unit]
        for term, count in Counter(terms).items():
            total[term] = total.get(term, 0.0) + of_field["weight"] * count / norm
    yield from ((term, value / (settings["k1"] + value)) for term, value in total.items())


class Ranking:
    """The engine's score of every record, under one set of statistics."""

    def __init__(self, items: Sequence[Item], statistics: Statistics) -> None:
        self._statistics = statistics
        model = Model.learnt(statistics)
        self._vectors = [result_vector(item, model).vector for item in items]

    def scores(self, title: str, lexicon: Lexicon | None) -> Floats:
        """Return what every record would be ordered by for this need."""
        model = replace(Model.learnt(self._statistics), lexicon=lexicon)
        need = need_vector(Item("need", title), model)
        scores = score_results(need.vector, self._vectors, model, foreign=need.foreign)
        return np.array([score.order for score in scores])


def asked_for(title: str, lexicon: Lexicon) -> tuple[dict[str, float], dict[str, float]]:
    """Return the weighted words and bigrams of an English title with its translations."""
    counts = Counter(words(title))
    own = {word: n * (lexicon.weight(word) or _UNKNOWN) for word, n in counts.items()}
    weighted = own | {word: each.weight for word, each in expanded(counts, lexicon).items()}
    pairs: dict[str, float] = {}
    for word, weight in weighted.items():
        parts = bigrams(word) if is_han(word) else [word]
        for part in parts:
            pairs[part] = pairs.get(part, 0.0) + weight / len(parts)
    return weighted, pairs


def lexicons(pack: Sequence[Mapping[str, Any]], folds: int) -> Iterator[tuple[list[int], Lexicon]]:
    """Yield the records of each fold with a lexicon learnt from all others."""
    paired = [at for at, record in enumerate(pack) if record["title_en"]]
    for fold in range(folds):
        inside = [at for at in paired if crc32(pack[at]["id"].encode()) % folds == fold]
        others = sorted(set(paired) - set(inside))
        taught = (pack[at] for at in others)
        yield inside, learn(pair for record in taught for pair in _pairs(record))


def _pairs(record: Mapping[str, Any]) -> Iterator[Any]:
    return pairs_of(record["title"], [record["keywords"]], record["title_en"], [record["keywords_en"]])


def evaluate(path: str, folds: int, limit: int) -> dict[str, Tally]:
    """Ask for every `n`th record by its English title, about `limit` in all."""
    pack = list(records(path))
    items = [result_item(record) for record in pack]
    by_word, by_pair = Postings(items, "words", words), Postings(items, "bigrams", bigrams)
    shipped, learnt = Ranking(items, Statistics()), Ranking(items, Statistics.learn(items))
    tallies: dict[str, Tally] = {}
    for inside, lexicon in lexicons(pack, folds):
        for at in inside[:: max(1, len(inside) * folds // limit)]:
            title = pack[at]["title_en"]
            weighted, pairs = asked_for(title, lexicon)
            one, other = by_word.scores(weighted), by_pair.scores(pairs)
            for name, scores in (
                ("engine, no lexicon", shipped.scores(title, None)),
                ("engine, shipped statistics", shipped.scores(title, lexicon)),
                ("engine, learnt statistics", learnt.scores(title, lexicon)),
                ("coverage by words", one),
                ("coverage by bigrams", other),
                ("coverage by both", one + other),
            ):
                tallies.setdefault(name, Tally()).add(scores, at)
    return tallies


def main(arguments: Sequence[str] | None = None, write: Callable[[str], object] = sys.stdout.write) -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(prog="python -m matching.bilingual.evaluate", description=__doc__)
    parser.add_argument("path", help="数据包（.jsonl.xz） / the pack")
    parser.add_argument("--folds", type=int, default=10, help="交叉验证的折数 / folds of the cross-fit")
    parser.add_argument("--limit", type=int, default=1000, help="查询数上限 / queries at most, about")
    asked = parser.parse_args(arguments)
    for name, tally in evaluate(asked.path, asked.folds, asked.limit).items():
        write(tally.line(name) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
