"""A model as one file, near-copies, and explanations from vectors."""

import zlib
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from matching.domain import Candidate, Rules, choose
from matching.engine.engine import Engine, score_pair
from matching.engine.items import Item
from matching.engine.likeness import near_copies
from matching.engine.model import Calibration, Model
from matching.engine.model_file import ModelDamagedError, from_bytes, to_bytes
from matching.engine.phrases import asked
from matching.engine.statistics import Statistics
from matching.engine.tables import table
from matching.engine.vectors import need_vector, result_vector

MODEL = Model.shipped()
COLLECTION = [
    Item(str(number), f"激光焊接工艺{number}", ("焊接",), (f"铝合金薄板激光焊接气孔抑制，试样编号{number}。",))
    for number in range(60)
]


class Dictionary:
    """A lexicon of three words, as the port wants it: English words as stems."""

    version = "demonstration/1"

    def translations(self, word: str) -> Sequence[tuple[str, float]]:
        return {"invert": [("变流器", 0.9)], "switch": [("切换", 0.8)], "变流器": [("invert", 1.0)]}.get(word, [])

    def weight(self, word: str) -> float | None:
        return 8.0 if self.translations(word) else None

    def to_bytes(self) -> bytes:
        return b"demonstration"


def test_a_model_survives_being_stored() -> None:
    model = Model(Statistics.learn(COLLECTION), MODEL.calibration, Dictionary())
    data = to_bytes(model)
    assert to_bytes(model) == data
    again = from_bytes(data, lambda stored: Dictionary())
    assert (again.version, again.baked_version) == (model.version, model.baked_version)
    need, result = Item("n", "激光焊接气孔"), COLLECTION[3]
    assert score_pair(need, result, again) == score_pair(need, result, model) != score_pair(need, result)
    assert from_bytes(to_bytes(MODEL)).version == MODEL.version


def test_a_damaged_model_is_refused() -> None:
    data = to_bytes(Model(Statistics.learn(COLLECTION)))
    for at in range(0, len(data), 41):
        with pytest.raises(ModelDamagedError):
            from_bytes(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
        with pytest.raises(ModelDamagedError):
            from_bytes(data[:at])
    with pytest.raises(ModelDamagedError):
        from_bytes(to_bytes(Model(lexicon=Dictionary())))
    foreign = data[12:].replace(b"zh-rjieba", b"zh-other1")
    with pytest.raises(ModelDamagedError, match="analyzer"):
        from_bytes(data[:8] + zlib.crc32(foreign).to_bytes(4, "little") + foreign)


def test_an_unknown_feature_is_refused_and_any_other_number_is_another_model() -> None:
    data = {**table("bands"), "coefficients": {"wrod": 1.0}}
    with pytest.raises(ValueError, match="wrod"):
        Calibration.read(data)
    told = MODEL.calibration.table()
    assert Calibration.read(told) == MODEL.calibration
    told["probability"]["intercept"] += 0.001
    changed = Model(calibration=Calibration.read(told))
    assert changed.version != MODEL.version
    assert changed.baked_version == MODEL.baked_version


def test_a_translation_finds_and_explains_and_never_covers_more_than_its_word() -> None:
    model = Model(lexicon=Dictionary())
    need = Item("n", "inverter that can switch without interruption")
    result = Item("r", "储能变流器", ("变流器",), ("并离网无缝切换。",))
    assert score_pair(need, result).word_coverage == 0
    assert 0 < score_pair(need, result, model).word_coverage < 1
    analysed = need_vector(need, model)
    assert {"变流器", "切换", "invert"} <= set(analysed.heaviest)
    assert "变流器" in analysed.found_by
    (covered,) = asked(need, model).coverages([result_vector(result, model).vector], [result])
    assert [phrase.text for phrase in covered.phrases] == ["inverter→变流器", "switch→切换"]
    assert sum(phrase.share for phrase in covered.phrases) + covered.rest == pytest.approx(covered.total)
    assert covered.total == pytest.approx(score_pair(need, result, model).word_coverage)
    both = Item("b", "inverter 变流器", (), ("switch 切换 inverter 变流器",))
    assert score_pair(need, both, model).word_coverage <= 1


def test_a_word_of_another_language_weighs_what_its_translations_do() -> None:
    model = Model(lexicon=Dictionary())
    unknown, known = (need_vector(Item("n", text), model) for text in ("qwertz", "inverter"))
    assert (unknown.foreign, known.foreign) == (False, True)
    assert not need_vector(Item("n", "储能变流器的并离网切换 inverter"), model).foreign
    need, result = Item("n", "inverter"), Item("r", "", (), ("变流器",))
    latin = score_pair(need, Item("l", "", (), ("inverter",)), model).word_coverage
    translated = score_pair(need, result, model).word_coverage
    assert translated == pytest.approx(0.9 * latin, rel=0.15), "0.9 is the translation's share; levels are half nats"


def test_a_calibration_says_which_statistics_it_was_learnt_with() -> None:
    assert MODEL.is_calibrated
    snapshot = Statistics.learn(COLLECTION)
    assert not Model.learnt(snapshot).is_calibrated, "it was learnt on another collection"
    own = replace(Model.learnt(snapshot).calibration, statistics=snapshot.version)
    assert from_bytes(to_bytes(Model(snapshot, own))).is_calibrated


def test_near_copies_are_told_from_what_is_only_on_the_same_topic() -> None:
    text = "面向铝合金薄板的摆动激光焊接工艺，抑制气孔和飞溅，配合熔池图像在线监测，焊缝强度达到母材的九成。"
    items = [
        Item("a", "铝合金摆动激光焊接", (), (text,)),
        Item("b", "铝合金摆动激光焊接技术", (), (text,)),
        Item("c", "铝合金激光焊接夹具", (), ("用于铝合金薄板激光焊接的快换夹具，定位准，装夹快。",)),
        Item("d", "铝合金摆动激光焊接", (), (text,)),
        Item("e", ""),
        Item("f", ""),
    ]
    vectors = [result_vector(item, MODEL).vector for item in items]
    assert near_copies(vectors) == [0, 0, 2, 0, 4, 5]
    assert near_copies([]) == []


async def test_a_result_copied_a_thousand_times_is_proposed_once() -> None:
    engine = Engine.in_memory()
    text = "采用可调谐半导体激光吸收光谱的甲烷传感器，抗潮湿、不中毒、响应快，已在燃气管网巡检车上试用。"
    for number in range(1_000):
        await engine.put_result(Item(f"copy-{number:04}", "激光吸收光谱甲烷传感器", (), (text,)), 1)
    await engine.settle()
    need = Item("n", "甲烷激光传感器", (), ("燃气管网巡检需要抗潮湿的可调谐半导体激光吸收光谱甲烷传感器。",))
    ranked = [each for each in await engine.rank(need) if each.score.fits]
    assert len(ranked) >= 100
    assert {each.like for each in ranked} == {ranked[0].id}
    assert ranked[0].alike == len(ranked) - 1
    rules = Rules.model_validate({**_rules(), "per_need": 5, "per_institution": 2})
    candidates = (Candidate(each.id, f"institution-{each.id}", each.like) for each in ranked)
    assert choose(candidates, rules) == [ranked[0].id]


def _rules() -> dict[str, object]:
    fields = Rules.model_fields
    return {name: 1 for name in fields if name != "answer_within"} | {"answer_within": "P14D"}


PARTS = st.sampled_from(["储能变流器", "激光焊接", "甲烷", "微电网切换", "SiO2 薄膜", "🎉", "12345"])


@given(st.lists(PARTS, max_size=6))
def test_what_repeats_the_need_fits_best_and_stays_a_probability(parts: list[str]) -> None:
    text = "，".join(parts)
    need = Item("n", text)
    same = score_pair(need, Item("r", text))
    other = score_pair(need, Item("o", "馆藏古籍批量脱酸"))
    assert 0 <= other.probability <= same.probability <= 1
    assert same.word_coverage <= 1
