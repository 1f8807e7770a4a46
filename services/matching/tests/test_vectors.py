"""Vectors as bytes: the terms of the analyzer, the same figures from both sides, and nothing wrong from damage."""

import zlib
from collections import Counter
from datetime import date

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matching.engine import headers
from matching.engine.analyzer import bigrams, is_han, words
from matching.engine.features import cosine
from matching.engine.index.port import IndexDamagedError
from matching.engine.items import Embedding, Facets, Item
from matching.engine.layout import NEED, RESULT, read
from matching.engine.model import COVERAGES, Model
from matching.engine.score import features_of, score_needs, score_results
from matching.engine.statistics import COUNT_BITS, Statistics
from matching.engine.texts import Text, pair_of
from matching.engine.vectors import need_vector, result_vector

MODEL = Model.shipped()
CHARACTERS = "储能变流器激光焊接气孔的 。，SiO2-5%μm\n\u200b😀\x00甲烷abc〇㐀𠀀智慧程式繁體"
TEXT = st.text(alphabet=st.sampled_from(CHARACTERS), max_size=80) | st.text(max_size=40)
FACETS = st.builds(
    Facets,
    sectors=st.frozensets(st.sampled_from(["qianqiao:a", "qianqiao:b", "gbt4754:C1"]), max_size=3),
    modes=st.frozensets(st.sampled_from(["技术转让", "技术许可"])),
    trl=st.none() | st.integers(1, 9),
    fen=st.none() | st.integers(0, 10**14),
    region=st.none() | st.sampled_from([110108, 110101, 320500]),
    confirmed=st.none() | st.dates(date(2000, 1, 1), date(2100, 1, 1)),
)
EMBEDDINGS = st.none() | st.builds(Embedding, space=st.integers(1, 2), values=st.binary(min_size=4, max_size=4))
ITEMS = st.builds(
    Item,
    id=st.just("x"),
    title=TEXT,
    keywords=st.lists(TEXT, max_size=3).map(tuple),
    body=st.lists(TEXT, max_size=3).map(tuple),
    facets=FACETS,
    embedding=EMBEDDINGS,
)


@given(ITEMS)
@settings(deadline=None)
def test_reading_fast_gives_the_terms_of_the_analyzer(item: Item) -> None:
    terms = MODEL.statistics.read(Text.of(item))
    fields = [text for _, text in item.fields]
    expected = Counter((word, at) for at, text in enumerate(fields) for word in words(text))
    counts = terms.counts[terms.first_word :].tolist()
    mask = (1 << COUNT_BITS) - 1
    found = Counter(
        {
            (word, at): count >> (2 - at) * COUNT_BITS & mask
            for word, count in zip(terms.words, counts, strict=True)
            for at in range(3)
        }
    )
    assert +found == expected
    pairs = {pair_of(code) for code in terms.codes.tolist()}
    assert pairs <= {pair for text in fields for pair in bigrams(text) if is_han(pair) and len(pair) == 2}
    assert terms.counts[: terms.first_word].size == len(pairs)


@given(st.lists(ITEMS, min_size=1, max_size=4), ITEMS)
@settings(deadline=None)
def test_many_are_scored_as_each_alone_and_from_both_sides_the_same(results: list[Item], need: Item) -> None:
    asked = need_vector(need, MODEL).vector
    offered = [result_vector(result, MODEL).vector for result in results]
    together = score_results(asked, offered, MODEL)
    for vector, score in zip(offered, together, strict=True):
        (alone,) = score_results(asked, [memoryview(vector)], MODEL)
        assert score_needs([asked, asked], vector, MODEL) == [alone, alone]
        assert score[:6] == alone[:6]
        assert 0 <= score.probability <= alone.probability <= 1
        assert all(0 <= share <= 1 for share in score[:4])
        assert -1.000001 <= score.cosine <= 1.000001


@given(ITEMS, ITEMS)
@settings(deadline=None)
def test_features_are_shares(need: Item, result: Item) -> None:
    features = features_of(need_vector(need, MODEL).vector, [result_vector(result, MODEL).vector], MODEL)
    for name in COVERAGES:
        assert 0 <= features[name][0] <= 1, name
    assert 0 <= features["trl_missing"][0] <= 4
    assert 0 <= features["years_stale"][0] <= 5


@given(ITEMS, st.data())
@settings(deadline=None)
def test_any_damage_is_noticed(item: Item, data: st.DataObject) -> None:
    vector = result_vector(item, MODEL).vector
    need = need_vector(item, MODEL).vector
    at = data.draw(st.integers(0, len(vector) - 1))
    flipped = bytearray(vector)
    flipped[at] ^= data.draw(st.integers(1, 255))
    for damaged in (bytes(flipped), vector[:at], vector + b"\0\0", need, b""):
        with pytest.raises(IndexDamagedError):
            score_results(need, [vector, damaged], MODEL)


def test_a_vector_that_contradicts_itself_is_damage_though_its_checksum_is_right() -> None:
    item = Item("x", "激光焊接气孔抑制", (), ("铝合金薄板激光焊接",))
    data = bytearray(result_vector(item, MODEL).vector[:-4])
    need = need_vector(item, MODEL).vector
    for at, value in ((0, 99), (4, 200), (10, 77), (-1, 255)):
        changed = bytearray(data)
        changed[at] = value
        with pytest.raises(IndexDamagedError):
            score_results(need, [bytes(changed) + zlib.crc32(changed).to_bytes(4, "little")], MODEL)


def test_what_is_said_oftener_or_more_prominently_covers_more() -> None:
    need = need_vector(Item("n", "激光焊接气孔抑制"), MODEL).vector
    filler = "本装置由壳体、支架与线缆组成。" * 12
    bodies = [filler, f"{filler}激光焊接", f"{filler}激光焊接。激光焊接", f"{filler}激光焊接。激光焊接。气孔抑制"]
    scores = score_results(need, [result_vector(Item("r", "", (), (body,)), MODEL).vector for body in bodies], MODEL)
    assert sorted(scores, key=lambda score: score.word_coverage) == scores
    in_title, in_body = (
        result_vector(item, MODEL).vector
        for item in (Item("r", "激光焊接", (), (filler,)), Item("r", "", (), (f"激光焊接{filler}",)))
    )
    first, second = score_results(need, [in_title, in_body], MODEL)
    assert first.word_coverage > second.word_coverage
    assert first.title_coverage > second.title_coverage == 0


def test_vectors_are_bounded_whatever_the_text() -> None:
    rng = np.random.default_rng(5)
    han = "".join(chr(point) for point in rng.integers(0x4E00, 0x9FA5, 20_000))
    latin = " ".join(f"w{number}" for number in range(3_000))
    for text in (han, latin, "量" * 10_000, "1 2 3 " * 3_000, "😀" * 10_000, han[:5_000] + latin):
        item = Item("x", text, (text,), (text,))
        assert len(need_vector(item, MODEL).vector) < 4_000
        assert len(result_vector(item, MODEL).vector) < 4_000


def test_the_demonstration_vectors_are_small() -> None:
    body = (
        "针对微电网储能变流器，提出虚拟同步机与预同步结合的并离网无缝切换控制方法，切换时母线电压跌落小，"
        "孤岛运行时电压频率稳定，敏感负荷不停机。"
    )
    vector = result_vector(Item("r", "微电网储能变流器并离网无缝切换技术", ("储能变流器",), (body,)), MODEL).vector
    assert len(vector) < 250
    assert len(vector) % 2 == 0


def test_facets_are_kept_exactly() -> None:
    facets = Facets(frozenset({"qianqiao:a", "sei:b"}), frozenset({"技术转让"}), 7, 120, 110108, date(2026, 9, 1))
    vectors = read([result_vector(Item("r", "x", facets=facets), MODEL).vector], RESULT)
    said = vectors.numbers[0]
    facts = (said[headers.SECTORS], said[headers.MODES], said[headers.TRL], vectors.measures[0, headers.FEN])
    assert facts == (2, 1, 7, 120)
    assert said[headers.REGION] == 110108
    assert said[headers.CONFIRMED] == (date(2026, 9, 1) - date(1970, 1, 1)).days
    assert len(read([], NEED)) == 0


def test_vectors_of_two_spaces_are_never_compared() -> None:
    def item(space: int) -> Item:
        return Item("x", "", embedding=Embedding(space, bytes([1, 2, 255, 4])))

    (same,) = score_results(need_vector(item(1), MODEL).vector, [result_vector(item(1), MODEL).vector], MODEL)
    (other,) = score_results(need_vector(item(1), MODEL).vector, [result_vector(item(2), MODEL).vector], MODEL)
    assert same.cosine == pytest.approx(1)
    assert other.cosine == 0
    assert cosine(b"\x01\x00", b"\x00\x01") == 0


def test_statistics_learn_what_is_frequent_and_keep_the_background_for_the_rest() -> None:
    items = [Item(str(n), "激光焊接", (), (f"编号{n}的样品",)) for n in range(3_000)]
    learnt = Statistics.learn(items)
    background = Statistics()
    assert learnt.documents == 3_000
    assert learnt.word_weight("激光") < 1 < background.word_weight("激光")
    assert learnt.pair_weight("光焊") < 1 < background.pair_weight("光焊")
    assert learnt.word_weight("甲烷") > background.word_weight("甲烷")
    assert learnt.version == Statistics.learn(items).version != background.version
    few = Statistics.learn(items, most=10)
    assert len(few.words.hashes) <= 10
    assert few.words.floor >= 1
    assert few.word_weight("激光") == pytest.approx(learnt.word_weight("激光"))
