"""What words imply: counted in results, stored with the model, and a help in ordering lists that decides nothing."""

from dataclasses import replace

import numpy as np
import pytest
from matching.engine.features import meet
from matching.engine.implied import Implied
from matching.engine.items import Item
from matching.engine.layout import NEED, RESULT, read
from matching.engine.model import Model
from matching.engine.model_file import ModelDamagedError, from_bytes, to_bytes
from matching.engine.score import features_of, score_results
from matching.engine.statistics import Statistics
from matching.engine.vectors import need_vector, result_vector
from matching.fit.examples import pseudo_pairs
from matching.fit.sources import Material

STEEL = [Item(f"w{number}", "转炉炼钢", (), (f"钢水 转炉 吹氧 试样{number}",)) for number in range(6)]
WELDED = [Item(f"d{number}", "激光焊接气孔", (), (f"铝合金 薄板 摆动 试样{number}",)) for number in range(60)]
STATISTICS = Statistics.learn([*STEEL, *WELDED])
NEED_TEXT = Item("n", "炼钢")


def learnt() -> Implied:
    implied = Implied.learn([*STEEL, *WELDED], STATISTICS)
    assert implied is not None
    return implied


def model() -> Model:
    found = Model.learnt(STATISTICS, learnt())
    ranking = {**found.calibration.ranking, "word_implied": 10.0}
    return replace(found, calibration=replace(found.calibration, ranking=ranking))


def share(result: Item, of: Model) -> float:
    return float(
        features_of(need_vector(NEED_TEXT, of).vector, [result_vector(result, of).vector], of)["word_implied"][0]
    )


def test_a_result_implies_what_nearly_all_others_on_its_subject_say() -> None:
    on_it, off_it = Item("a", "转炉 钢水"), Item("b", "激光焊接气孔")
    with_it = Item("c", "转炉 钢水 炼钢")
    found = model()
    assert share(on_it, found) > 0
    assert share(off_it, found) == 0
    assert share(with_it, found) == 0, "what a result says need not be implied"
    assert share(on_it, replace(found, implied=None)) == 0


def test_what_is_implied_orders_a_list_and_decides_nothing() -> None:
    found, bare = model(), replace(model(), implied=None)
    need = need_vector(NEED_TEXT, found).vector
    results = [result_vector(item, found).vector for item in (Item("a", "转炉 钢水"), Item("b", "激光焊接气孔"))]
    with_it, without = (score_results(need, results, each) for each in (found, bare))
    assert with_it[0].order > with_it[1].order
    assert without[0].order == without[1].order
    assert [score[:7] for score in with_it] == [score[:7] for score in without]


def test_the_surest_sign_counts_as_counted_by_hand() -> None:
    """Six texts have both words, so the share is 6 of 6 and one unseen text."""
    asked = read([need_vector(NEED_TEXT, Model(STATISTICS)).vector], NEED)
    offered = read([result_vector(Item("a", "转炉"), Model(STATISTICS)).vector], RESULT)
    level = STATISTICS.word("炼钢").level
    found = meet(asked, offered, many_needs=False, implied=learnt())
    assert found.implied.tolist() == [level**2 * round(255 * 6 / 7)]


def test_nothing_is_learnt_from_too_few_texts_or_none() -> None:
    assert Implied.learn([], STATISTICS) is None
    assert Implied.learn(STEEL[:2], STATISTICS) is None


def test_it_is_stored_with_the_model_and_names_it() -> None:
    found = model()
    again = from_bytes(to_bytes(found))
    assert again.version == found.version != replace(found, implied=None).version
    assert again.baked_version == replace(found, implied=None).baked_version, "no index is rebuilt for it"
    assert share(Item("a", "转炉"), again) == share(Item("a", "转炉"), found)


def test_signs_that_belong_to_no_term_are_refused() -> None:
    good = learnt()
    for bad in (
        replace(good, ends=good.ends + np.uint32(1)),
        replace(good, ends=good.ends[::-1].copy()),
        replace(good, terms=good.terms[::-1].copy()),
        replace(good, ends=good.ends[:-1].copy()),
    ):
        with pytest.raises(ModelDamagedError, match="imply"):
            from_bytes(to_bytes(replace(model(), implied=bad)))


def test_needs_made_from_results_are_measured_by_what_never_saw_them() -> None:
    body = "转炉吹炼后期温度难以测准，常常要停下来取样，急需一种不停吹就能知道炉内温度的办法，而且要耐高温。"
    rest = "本成果由炉口火焰的光谱推算熔池的温度，镜头以氮气吹扫保护，每秒给出一次读数，并连到操作台上显示。"
    results = (Item("r", "炉口火焰测温", (), (body + rest,)), Item("s", "短", (), ("太短。",)))
    material = Material("made", results, tuple(pseudo_pairs(results)))
    made, short = material.unasked
    assert "急需" not in made.text
    assert "火焰的光谱" in made.text
    assert short == results[1]


def test_a_need_of_very_many_words_is_bounded() -> None:
    found = model()
    long = need_vector(Item("n", "炼钢 " + " ".join(f"词{number}号" for number in range(5_000))), found).vector
    result = result_vector(Item("a", "转炉 钢水"), found).vector
    assert 0 <= features_of(long, [result], found)["word_implied"][0] <= 1
