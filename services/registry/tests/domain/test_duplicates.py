import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from registry.domain.duplicates import DuplicateRules, fingerprint, likeness, most_alike
from registry.domain.text import comparable, contact_data
from registry.tables import duplicate_rules

RULES = duplicate_rules()

NEED = (
    "高精度激光干涉仪长期稳定性不足，温度变化一度时示值漂移超过五十纳米，"
    "需要一种在普通实验室环境中仍能保持十纳米以内漂移的光路和补偿算法，并给出可重复的检定方法。"
)


def share_a_band(left: str, right: str) -> bool:
    return bool(set(fingerprint(left, RULES)) & set(fingerprint(right, RULES)))


def test_the_same_text_written_otherwise_is_the_same_text() -> None:
    other = "  " + NEED.replace("，", ", ").replace("一", "一\u200b") + "_x000D_\n"
    assert comparable(other) == comparable(NEED)
    assert fingerprint(other, RULES) == fingerprint(NEED, RULES)


def test_full_width_writing_is_folded() -> None:
    assert comparable("ＡＢＣ１２３（测试）") == "abc123测试"


def test_a_light_rewording_is_found_and_another_topic_is_not() -> None:
    reworded = NEED.replace("普通实验室", "一般实验室").replace("并给出", "同时给出")
    other = "针对海洋贝类加工下脚料，希望得到一条甲壳素连续提取工艺，脱蛋白率和脱钙率稳定，废水可以直接回用。"
    assert share_a_band(NEED, reworded)
    found = most_alike(NEED, [("need-1", "甲", reworded), ("need-2", "乙", other)], RULES)
    assert [duplicate.id for duplicate in found] == ["need-1"]
    assert 0.6 <= found[0].likeness < 1


def test_most_alike_come_first_and_only_a_few_are_shown() -> None:
    texts = [(f"need-{cut:02}", "题", NEED[: len(NEED) - cut]) for cut in range(20)]
    found = most_alike(NEED, texts, RULES)
    assert [duplicate.id for duplicate in found] == [f"need-{cut:02}" for cut in range(RULES.max_reported)]


def test_texts_without_letters_are_like_nothing() -> None:
    assert fingerprint("——……", RULES) == []
    assert likeness("——", "……", 3) == 0.0


@given(st.text(min_size=1, max_size=5))
def test_very_short_texts_have_complete_fingerprints(text: str) -> None:
    assert len(fingerprint(text, RULES)) in (0, RULES.bands)


def test_texts_that_are_reported_nearly_always_share_a_band() -> None:
    """The index must not hide what the exact comparison would report: 100 seeded edits of an 80-character text."""
    draw = random.Random(7)
    missed = compared = 0
    for _ in range(100):
        edited = list(NEED)
        for _ in range(4):
            edited[draw.randrange(len(edited))] = chr(draw.randrange(0x4E00, 0x9FA5))
        text = "".join(edited)
        if likeness(NEED, text, RULES.shingle) >= RULES.report_from:
            compared += 1
            missed += not share_a_band(NEED, text)
    assert compared > 50
    assert missed <= compared * 0.1


def test_rules_must_fit_together() -> None:
    with pytest.raises(ValidationError, match="bands x rows"):
        DuplicateRules.model_validate({**RULES.model_dump(), "bands": 3})


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("请联系 zhang.san@example.com", "zhang.san@example.com"),
        ("联系人ｌｉ＠ｅｘａｍｐｌｅ．ｃｎ", "li@example.cn"),
        ("电话 138 0000 0000", "13800000000"),
        ("电话138-0000-0000。", "13800000000"),
        ("精度 10 μm，转速 12000 rpm", None),
        ("编号 9113800000000123", None),
    ],
)
def test_contact_data_in_text_is_found(text: str, found: str | None) -> None:
    assert contact_data(text) == found
