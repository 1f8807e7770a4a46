"""A market of any size, made from real text: result number `i` is the same in every process and in every run.

Each result takes its title from two records, its keywords from one and its summary from three, a run of clauses from
each, until it is as long as some real summary. So words are as frequent and stand together as they do in the text
given, and lengths are those of the records. From a pack of a few thousand records a million results repeat each clause
some hundred times: candidates are closer to one another than in a real market.

Without a pack the demonstration texts of bench.texts are used, which are shorter and of a small vocabulary.
"""

import json
import lzma
import random
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from matching.engine.items import Item

from bench import texts

_CLAUSE = re.compile(r"[^，,；;。！!？?\n]+[，,；;。！!？?\n]?")
_SOURCES = 3
NEED_LENGTHS = (100, 280)


@dataclass(frozen=True, slots=True)
class Corpus:
    """Parts to make results from, and needs of two lengths."""

    name: str
    titles: Sequence[str]
    keywords: Sequence[tuple[str, ...]]
    summaries: Sequence[Sequence[str]]
    """Real summaries, clause by clause."""
    needs: dict[int, Sequence[str]]

    def result(self, number: int, revision: int = 0) -> Item:
        """Return result `number`; a later revision of it shares its title and has another summary."""
        drawn = random.Random(number)
        first, second = drawn.choice(self.titles), drawn.choice(self.titles)
        title = first[: len(first) // 2 + 1] + second[len(second) // 2 :]
        keywords = drawn.choice(self.keywords)
        length = sum(map(len, drawn.choice(self.summaries)))
        if revision:
            drawn = random.Random(number * 1_000 + revision)
        parts = [clause for _ in range(_SOURCES) for clause in self._run(drawn, length // _SOURCES)]
        return Item(result_id(number), title, keywords, ("".join(parts),))

    def _run(self, drawn: random.Random, length: int) -> list[str]:
        """Return neighbouring clauses of one record, about so many characters."""
        clauses = drawn.choice(self.summaries)
        start = drawn.randrange(len(clauses))
        run: list[str] = []
        for clause in clauses[start:]:
            if length <= 0:
                break
            run.append(clause)
            length -= len(clause)
        return run

    def need(self, length: int, number: int) -> Item:
        """Return a need of about so many characters."""
        some = self.needs[length]
        return Item(f"need-{number}", "", (), (some[number % len(some)],))


def result_id(number: int) -> str:
    """Return an id as registry makes them."""
    return f"result-01980000-0000-7000-8000-{number:012x}"


def corpus_of(pack: str) -> Corpus:
    """Return the corpus made from the pack at this path, or from demonstration texts where there is none."""
    return from_pack(Path(pack)) if pack else demonstration()


def from_pack(path: Path) -> Corpus:
    """Return a corpus made from a pack of records (.jsonl.xz: title, abstract, keywords, need)."""
    with lzma.open(path, "rt", encoding="utf-8") as lines:
        records = [json.loads(line) for line in lines]
    longest = max(NEED_LENGTHS)
    whole = [record["need"] for record in records if len(record["need"]) >= longest]
    return Corpus(
        path.name,
        [record["title"] for record in records],
        [(record["keywords"],) for record in records],
        [clauses for record in records if (clauses := _CLAUSE.findall(record["abstract"]))],
        {length: [text[:length] for text in whole] for length in NEED_LENGTHS},
    )


def demonstration() -> Corpus:
    """Return a corpus made from the project's own demonstration texts."""
    results = [texts.result(number, "party") for number in range(5_000)]
    return Corpus(
        "演示数据 demonstration data",
        [result["title"] for result in results],
        [tuple(result["keywords"]) for result in results],
        [_CLAUSE.findall(result["summary"] + result["problem"]) for result in results],
        {length: [_demonstration_need(number)[:length] for number in range(500)] for length in NEED_LENGTHS},
    )


def _demonstration_need(number: int) -> str:
    """What four firms say, one after the other: long enough for the longest need."""
    return "".join(texts.need(at, at, "party")["difficulty"] for at in range(number, number + 4))
