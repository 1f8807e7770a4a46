"""Traditional characters, words of the other side of the strait, and English stems. Demonstration texts of our own."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from matching.engine.analyzer import bigrams, fold, tokens, words
from matching.engine.engine import Engine
from matching.engine.items import Item
from matching.engine.phrases import coverage
from matching.engine.tables import table

PAIRS = [
    tuple(pair.split("="))
    for section in ("anywhere", "whole", "traditional")
    for pair in table("cross_strait")[section]["words"].split()
]


@pytest.mark.parametrize(("written", "instead"), PAIRS)
def test_each_pair_says_the_same_within_a_sentence(written: str, instead: str) -> None:
    assert words(f"提出了{written}，用於工厂") == words(f"提出了{instead}，用于工厂")
    assert bigrams(f"提出了{written}，用於工厂") == bigrams(f"提出了{instead}，用于工厂")


@pytest.mark.parametrize(
    "text",
    [
        "质量测试与流量测定",
        "遥感测绘",
        "结晶片段的取向",
        "多数位于山区",
        "软体机器人的驱动",
        "方程式求解",
        "显微影像",
        "种类比较",
        "最佳化学计量比",
    ],
)
def test_what_only_looks_like_such_a_word_stays(text: str) -> None:
    assert fold(text) == text
    assert all(word in text for word in words(text))


def test_a_soft_robot_stays_one_in_both_scripts() -> None:
    assert words("軟體機器人") == words("软体机器人")
    assert words("軟體") == ["软件"]
    assert words("软体") == ["软体"]


@given(st.text(alphabet=st.sampled_from("觸媒電漿的腦網際網路軟體a1 ，。量測雷射催化剂"), max_size=40))
def test_places_hold_wherever_words_change_length(text: str) -> None:
    folded = fold(text)
    assert len(folded) == len(text)
    for token in tokens(folded):
        assert 0 <= token.start < token.end <= len(text)
        assert token.word == folded[token.start : token.end] or token.word not in folded[token.start : token.end]


def test_english_words_are_found_by_their_stem() -> None:
    assert words("Batteries and Battery") == ["batteri", "batteri"]
    assert words("SiO2 3D-BSA Q235 LED") == ["sio2", "3d-bsa", "q235", "led"]


RESULT = Item(
    "r1",
    "用于激光切割的纳米催化剂涂层",
    ("传感器", "薄膜晶体管"),
    ("本成果提供一种等离子体处理的催化剂涂层，配有软件和传感器，测量误差小于百分之一。",),
)
TRADITIONAL = Item(
    "n1",
    "尋求用於雷射切割的奈米觸媒塗層",
    ("感測器",),
    ("現有電漿處理的觸媒塗層壽命短，需要軟體與感測器，量測誤差小。",),
)
SIMPLIFIED = Item(
    "n1",
    "寻求用于激光切割的纳米催化剂涂层",
    ("传感器",),
    ("现有等离子体处理的催化剂涂层寿命短，需要软件与传感器，测量误差小。",),
)


async def test_a_traditional_need_finds_the_simplified_result_with_the_same_probability() -> None:
    engine = Engine.in_memory()
    await engine.put_result(RESULT, 1)
    (traditional,) = await engine.rank(TRADITIONAL)
    (simplified,) = await engine.rank(SIMPLIFIED)
    assert traditional == simplified
    assert traditional.score.probability > 0.5


def test_reasons_show_each_side_as_it_was_written() -> None:
    covered = coverage(TRADITIONAL, RESULT)
    assert {"雷射切割", "感測器"} <= {phrase.text for phrase in covered.phrases}
    evidence = [phrase.evidence_need for phrase in covered.phrases]
    assert "現有電漿處理的觸媒塗層壽命短，需要軟體與感測器，量測誤差小" in evidence
