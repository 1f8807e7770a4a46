"""A score is explained by what it was made with, whatever is shipped, and from the vector that was scored."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matching.copies import Copy
from matching.engine import phrases
from matching.engine.contents import need_item, result_item
from matching.engine.engine import Engine, Ranked
from matching.engine.items import Item
from matching.engine.model import Model
from matching.engine.phrases import asked, coverage
from matching.engine.reasons import percent
from matching.engine.statistics import Statistics
from matching.engine.vectors import need_vector, result_vector
from matching.pairs import Pair
from matching.views import candidate_view

from .demonstration import FITS, NEEDS, RESULTS

FITTED = Model(statistics=Statistics.learn([result_item(id, result) for id, result in RESULTS.items()]))


async def ranked_by(model: Model, need: str) -> list[Ranked]:
    engine = Engine.in_memory(model)
    for id, result in RESULTS.items():
        await engine.put_result(result_item(id, result), 1)
    await engine.settle()
    return await engine.rank(need_item(need, NEEDS[need]))


def pair_of(need: str, ranked: Ranked) -> Pair:
    return Pair.of(Copy(need, (1, 0), NEEDS[need], True), Copy(ranked.id, (1, 0), RESULTS[ranked.id], True), ranked)


@pytest.mark.parametrize("need", FITS)
async def test_the_shares_named_are_those_of_the_score_also_by_a_fitted_model(need: str) -> None:
    ranked = next(each for each in await ranked_by(FITTED, need) if each.id == FITS[need])
    shipped = coverage(need_item(need, NEEDS[need]), result_item(ranked.id, RESULTS[ranked.id]))
    assert percent(shipped.total) != percent(ranked.score.word_coverage)
    pair = pair_of(need, ranked)
    for summary in (pair.proposal().reasons[0], candidate_view(pair).reasons[0]):
        assert summary.text_zh.startswith(f"成果覆盖了需求信息的 {percent(ranked.score.word_coverage)}，")


async def test_what_was_ranked_is_explained_without_being_analysed_again(monkeypatch: pytest.MonkeyPatch) -> None:
    need = next(iter(FITS))
    best = (await ranked_by(FITTED, need))[0]

    def analysed_again(item: Item, model: Model) -> None:
        raise AssertionError(f"{item.id} was analysed before")

    monkeypatch.setattr(phrases, "need_vector", analysed_again)
    monkeypatch.setattr(phrases, "result_vector", analysed_again)
    asked.cache_clear()
    assert pair_of(need, best).proposal().reasons


async def test_a_text_that_changed_since_it_was_scored_is_quoted_as_it_is_and_the_shares_stay_the_scores() -> None:
    need = next(iter(FITS))
    best = (await ranked_by(FITTED, need))[0]
    changed = RESULTS[best.id].model_copy(update={"summary": "切换，控制。", "problem": None, "advantage": None})
    pair = replace(pair_of(need, best), result=Copy(best.id, (2, 0), changed, True))
    summary, *others = pair.proposal().reasons
    assert f" {percent(best.score.word_coverage)}，" in summary.text_zh
    quoted = [reason.evidence_result for reason in others if reason.kind == "phrase"]
    assert quoted
    assert all(text and text in result_item(best.id, changed).text for text in quoted)


PARTS = st.sampled_from(
    [
        "储能变流器",
        "儲能變流器",
        "軟體",
        "太阳电池",
        "激光焊接",
        "激光",
        "switching",
        "switched",
        "SiO2",
        "，",
        "。",
        "的",
        "\n",
        " ",
    ]
)
ITEMS = st.builds(
    lambda title, keywords, body: Item("i", "".join(title), tuple(keywords), ("".join(body),)),
    st.lists(PARTS, max_size=4),
    st.lists(PARTS, max_size=3),
    st.lists(PARTS, max_size=20),
)


@given(ITEMS, st.lists(ITEMS, min_size=1, max_size=3), st.sampled_from([Model.shipped(), FITTED]))
@settings(deadline=None)
def test_shares_add_up_and_results_explained_together_are_explained_as_alone(
    need: Item, results: list[Item], model: Model
) -> None:
    vectors = [result_vector(result, model).vector for result in results]
    ready = asked(need, model, need_vector(need, model).vector)
    together = ready.coverages(vectors, results)
    for vector, result, covered in zip(vectors, results, together, strict=True):
        assert ready.coverages([vector], [result]) == [covered]
        assert sum(phrase.share for phrase in covered.phrases) + covered.rest == pytest.approx(covered.total)
        assert [phrase.share for phrase in covered.phrases] == sorted(
            (phrase.share for phrase in covered.phrases), reverse=True
        )
        for phrase in covered.phrases:
            assert phrase.share > 0
            assert phrase.evidence_need is not None
            assert phrase.evidence_result is not None
