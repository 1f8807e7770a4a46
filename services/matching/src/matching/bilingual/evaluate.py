"""Measure finding Chinese records by English titles.

`python -m matching.bilingual.evaluate PATH [--folds N]` reads xz-compressed JSON lines with title, abstract, keywords,
title_en and keywords_en. The index holds the Chinese fields alone. The lexicon for a query is learnt from the other
folds, never from the record it belongs to. Scored exhaustively, by the features of the engine.
"""

import argparse
import math
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from zlib import crc32

import numpy as np
import numpy.typing as npt

from matching.bilingual.lexicon import Lexicon, learn, pairs_of
from matching.engine.features import absolute, meet_results, relative
from matching.engine.items import Item
from matching.engine.layout import NEED, RESULT, Vectors, read
from matching.engine.model import Model
from matching.engine.vectors import need_vector, result_vector
from matching.evaluate import records, result_item

type Floats = npt.NDArray[np.float64]


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


def evaluate(path: str, folds: int) -> dict[str, Tally]:
    """Ask for every record by its English title."""
    pack = list(records(path))
    offered = read([result_vector(result_item(record), Model.shipped()).vector for record in pack], RESULT)
    tallies = {name: Tally() for name in ("no lexicon", "words", "bigrams", "words and bigrams")}
    for inside, lexicon in lexicons(pack, folds):
        model = Model(Model.shipped().statistics, lexicon=lexicon)
        for at in inside:
            title = Item("query", pack[at]["title_en"])
            tallies["no lexicon"].add(_shares(title, offered, Model.shipped())["word"], at)
            shares = _shares(title, offered, model)
            both = shares["word_of_best"] + shares["pair_of_best"]
            for name, scores in (("words", shares["word"]), ("bigrams", shares["pair"]), ("words and bigrams", both)):
                tallies[name].add(scores, at)
    return tallies


def _shares(query: Item, offered: Vectors, model: Model) -> dict[str, Floats]:
    """How much of a query every record covers, and as a share of what the best covers."""
    asked = read([need_vector(query, model).vector], NEED)
    features = absolute(meet_results(asked, offered), asked, offered)
    return features | relative(features, features["word"] >= 0)


def main(arguments: Sequence[str] | None = None, write: Callable[[str], object] = sys.stdout.write) -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(prog="python -m matching.bilingual.evaluate", description=__doc__)
    parser.add_argument("path", help="数据包（.jsonl.xz） / the pack")
    parser.add_argument("--folds", type=int, default=10, help="交叉验证的折数 / folds of the cross-fit")
    asked = parser.parse_args(arguments)
    for name, tally in evaluate(asked.path, asked.folds).items():
        write(tally.line(name) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
