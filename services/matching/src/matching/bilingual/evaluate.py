"""Measure finding Chinese records by English titles.

`python -m matching.bilingual.evaluate PATH [--folds N]` reads xz-compressed JSON lines with title, abstract, keywords,
title_en and keywords_en. The index holds the Chinese fields alone. The lexicon for a query is learnt from the other
folds, never from the record it belongs to. Scored exhaustively with the saturations of the engine.
"""

import argparse
import math
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from zlib import crc32

import numpy as np
import numpy.typing as npt

from matching.bilingual.expansion import expanded
from matching.bilingual.lexicon import NOTHING_LEARNT, Lexicon, learn, pairs_of
from matching.engine.analyzer import bigrams, is_han, words
from matching.engine.vectors import SATURATION_STEPS, result_vector, term_hash
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
    """For each term the records that hold it, with how fully each is covered."""

    def __init__(self, columns: Sequence[tuple[bytes, bytes]]) -> None:
        self._size = len(columns)
        hashes = np.concatenate([np.frombuffer(terms, dtype=np.uint32) for terms, _ in columns])
        owners = np.repeat(np.arange(len(columns)), [len(saturations) for _, saturations in columns])
        order = np.argsort(hashes, kind="stable")
        self._hashes, self._owners = hashes[order], owners[order]
        saturations = np.frombuffer(b"".join(each for _, each in columns), dtype=np.uint8)
        self._saturations = saturations[order] / SATURATION_STEPS

    def scores(self, weights: Mapping[str, float]) -> Floats:
        """Return the covered weight of every record, the greatest being 1."""
        total = np.zeros(self._size)
        for term, weight in weights.items():
            at, end = np.searchsorted(self._hashes, [term_hash(term), term_hash(term) + 1])
            total[self._owners[at:end]] += weight * self._saturations[at:end]
        return total / max(float(total.max()), 1e-9)


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


def evaluate(path: str, folds: int) -> dict[str, Tally]:
    """Ask for every record by its English title."""
    pack = list(records(path))
    vectors = [result_vector(result_item(record)).vector for record in pack]
    by_word = Postings([(vector.words, vector.saturations) for vector in vectors])
    by_pair = Postings([(vector.bigrams, vector.bigram_saturations) for vector in vectors])
    tallies = {name: Tally() for name in ("no lexicon", "words", "bigrams", "words and bigrams")}
    for inside, lexicon in lexicons(pack, folds):
        for at in inside:
            title = pack[at]["title_en"]
            tallies["no lexicon"].add(by_word.scores(asked_for(title, NOTHING_LEARNT)[0]), at)
            weighted, pairs = asked_for(title, lexicon)
            one, other = by_word.scores(weighted), by_pair.scores(pairs)
            for name, scores in (("words", one), ("bigrams", other), ("words and bigrams", one + other)):
                tallies[name].add(scores, at)
    return tallies


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
