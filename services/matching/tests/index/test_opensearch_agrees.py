"""OpenSearch and tantivy propose the same: both only preselect, the score is made here.

What may differ is which of equally good candidates are the last of the 200: engines break ties differently, and round
the weights of terms (tantivy and Lucene count documents that are closed or replaced differently).
"""

import random
import re
from collections.abc import Sequence

import pytest
from matching.engine.contents import need_item, result_item
from matching.engine.index.port import CandidateIndex, Entry, Versions
from matching.engine.index.tantivy_index import TantivyIndex
from matching.engine.items import Item
from matching.engine.model import Model
from matching.engine.score import score_results
from matching.engine.tables import table
from matching.engine.vectors import need_vector, result_vector

from ..demonstration import NEEDS, RESULTS  # noqa: TID252 - one folder up, the same tests
from .on_opensearch import fresh

MODEL = Model.shipped()
NEEDED, OFFERED, AGREE = 60, 1_500, 0.95

pytestmark = pytest.mark.opensearch


def made_up(chance: random.Random, count: int, kind: str) -> list[Item]:
    """Items put together from clauses of the demonstration's needs and results, of one of them more than of others."""
    originals = [need_item(id, need) for id, need in NEEDS.items()]
    originals += [result_item(id, result) for id, result in RESULTS.items()]
    clauses = [[c for text in item.body for c in re.split("[，。、；]", text) if c] for item in originals]
    every = [clause for one in clauses for clause in one]
    items = []
    for number in range(count):
        main = chance.randrange(len(originals))
        texts = tuple(chance.sample(clauses[main], min(2, len(clauses[main]))) + chance.sample(every, 5))
        words = tuple(chance.sample([word for item in originals for word in item.keywords], 2))
        items.append(Item(f"{kind}-{number}", chance.choice(every), words, texts, originals[main].facets))
    return items


async def twenty(index: CandidateIndex, need: Item) -> list[tuple[float, float, str]]:
    """The best twenty as they are proposed: probability, coverage, id."""
    asked = need_vector(need, MODEL)
    hits = await index.search(asked.heaviest, table("weights")["candidates"]["found"])
    scores = score_results(asked.vector, [hit.vector for hit in hits], MODEL)
    order = (
        (-score.probability, -(score.word_coverage + score.bigram_coverage), hit.id)
        for hit, score in zip(hits, scores, strict=True)
    )
    return sorted(order)[:20]


def entries(results: Sequence[Item]) -> list[Entry]:
    made = ((item.id, result_vector(item, MODEL)) for item in results)
    return [Entry(id, Versions(1, 0), True, analysed.found_by, analysed.vector) for id, analysed in made]


async def test_the_same_is_proposed_whichever_engine_preselects(opensearch_url: str) -> None:
    chance = random.Random(7)
    needs = [*(need_item(id, need) for id, need in NEEDS.items()), *made_up(chance, NEEDED, "need")]
    results = [*(result_item(id, result) for id, result in RESULTS.items()), *made_up(chance, OFFERED, "result")]
    local = TantivyIndex.in_memory()
    async with fresh(opensearch_url) as (index, _):
        for each in (local, index):
            await each.write(entries(results), "all")
        same, close, crowded = 0, 0, 0
        for need in needs:
            one, other = await twenty(local, need), await twenty(index, need)
            crowded += len(await local.search(need_vector(need, MODEL).heaviest, 201)) > 200
            same += one == other
            close += [row[0] for row in one[:5]] == [row[0] for row in other[:5]]
        await local.close()
    assert crowded > len(needs) / 2  # else agreement would mean nothing
    assert same >= AGREE * len(needs)
    assert close >= AGREE * len(needs)
