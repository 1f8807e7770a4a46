"""Misspelt or in pinyin: what somebody typed still finds, and is told how it was understood. Demonstration texts."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matching.search.corrections import Correction, corrected, corrections
from matching.search.pinyin import parsed, readings, sound_alike
from matching.search.terms import asked, sounds

TITLES = ("储能变流器并离网无缝切换装置", "激光焊接气孔在线检测", "钙钛矿 perovskite 太阳能电池", "重庆锂电池回收")


def meant(typed: str) -> str:
    return corrected(typed, corrections(typed, TITLES, TITLES))


@pytest.mark.parametrize(
    ("typed", "understood"),
    [
        ("变硫器", "变流器"),
        ("储能便流气", "储能变流器"),
        ("激光捍接", "激光焊接"),
        ("锂电吃回收", "锂电池回收"),
        ("重请", "重庆"),
        ("chunengbianliuqi", "储能变流器"),
        ("hanjie 气孔", "焊接 气孔"),
        ("chunengfeiji", "储能feiji"),
        ("zqldchs", "重庆锂电池回收"),
        ("perovskit 电池", "perovskite 电池"),
        ("激光捍接工艺", "激光焊接工艺"),
    ],
)
def test_what_was_meant_is_read_off_what_was_found(typed: str, understood: str) -> None:
    assert meant(typed) == understood


@pytest.mark.parametrize("typed", ["变流器", "储能变压器", "perovskite", "硫化", "ip68", "xian", "2026", "", "😀"])
def test_what_is_no_mistake_is_left_alone(typed: str) -> None:
    assert corrections(typed, TITLES, TITLES) == []


def test_a_rare_word_that_stands_in_a_text_found_is_not_corrected() -> None:
    texts = (*TITLES, "变硫器（demonstration）")
    assert corrections("变硫器", TITLES, texts) == []


def test_the_correction_of_the_best_result_wins() -> None:
    titles = ["无人机航测", "无人鸡舍"]
    assert corrections("无人积", titles, titles) == [Correction("无人积", "无人机")]


@pytest.mark.parametrize(
    ("letters", "syllables"),
    [
        ("bianliuqi", ("bian", "liu", "qi")),
        ("nvren", ("nv", "ren")),
        ("bian", ()),
        ("inverter", ()),
        ("", ()),
        ("a" * 400, ()),
    ],
)
def test_pinyin_is_taken_apart(letters: str, syllables: tuple[str, ...]) -> None:
    assert parsed(letters) == syllables


def test_a_character_with_two_readings_sounds_like_both() -> None:
    assert readings("重") == ("zhong", "chong")
    assert sound_alike("重", "种")
    assert sound_alike("重", "虫")
    assert not sound_alike("重", "请")


@pytest.mark.parametrize("typed", ["变硫器", "bianliuqi", "chunengbianliuqi", "perovskit", "jghjqkzxjc"])
def test_terms_of_what_is_typed_meet_terms_of_what_is_listed(typed: str) -> None:
    listed = {term for title in TITLES for term in sounds(title)}
    assert set(asked(typed)) & listed


@given(st.text(max_size=300))
@settings(deadline=None)
def test_any_text_is_understood_in_bounded_terms(text: str) -> None:
    assert len(list(asked(text))) <= 4 * len(text) + 4
    assert all(" " not in term and term for term in [*asked(text), *sounds(text)])
    assert isinstance(meant(text), str)
