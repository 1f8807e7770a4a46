"""Constraints checked against what texts say: evidence, conversion, derived wishes, contradictions, questions."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matching.copies import Copy
from matching.domain import Candidate, Rules, choose
from matching.engine.engine import Ranked
from matching.engine.score import Score
from matching.figures.checking import check_all, check_pair, contradictions, derived_of, fails_a_must
from matching.figures.questions import questions
from matching.pairs import Pair
from matching.views import candidate_view
from qianqiao_contracts import (
    Constraint,
    ConstraintCheck,
    Level,
    Measured,
    Verdict,
    Visibility,
)

from .made import asked, needing, offering

RULES = Rules(per_need=5, per_day=5, per_institution=2, answer_within=timedelta(days=14))
GOOD = Ranked("result", Score(0.9, 0.9, 0.9, 0.9, 0.9, 0.0, 0.9, 0.9, "高度"))


def check(constraint: Constraint, summary: str, *measured: Measured) -> ConstraintCheck:
    (only,) = check_pair(needing(constraint), offering(summary, *measured))
    return only


@pytest.mark.parametrize(
    ("constraint", "text", "verdict"),
    [
        (asked("抗压强度", "≥", 50, "MPa"), "材料抗压强度达到 60 MPa。", Verdict.MET),
        (asked("抗压强度", "≥", 50, "MPa"), "抗压强度60兆帕以上。", Verdict.MET),
        (asked("抗压强度", "≥", 50, "MPa"), "抗压强度经28天养护后达到 60 MPa。", Verdict.MET),
        (asked("抗压强度", "≥", 50, "MPa"), "抗压强度为 46 MPa。", Verdict.NEAR),
        (asked("抗压强度", "≥", 50, "MPa"), "抗压强度为 30 MPa。", Verdict.UNMET),
        (asked("抗压强度", "≥", 50, "MPa"), "耐压强度 60 MPa。", Verdict.MET),
        (asked("抗压强度", "≥", 50, "MPa"), "The compressive strength is 60 MPa.", Verdict.MET),
        (asked("抗压强度", "≥", 50, "MPa"), "抗压强度不低于 40 MPa。", Verdict.UNKNOWN),
        (asked("抗压强度", "≥", 50, "MPa"), "抗拉强度 30 MPa。", Verdict.UNKNOWN),
        (asked("抗压强度", "≥", 50, "MPa"), "抗拉强度 30 MPa，抗压强度 60 MPa。", Verdict.MET),
        (asked("抗压强度", "≥", 50, "MPa"), "抗压强度和抗拉强度分别为 60 MPa 和 5 MPa。", Verdict.MET),
        (asked("抗压强度", "≥", 50, "MPa"), "抗压强度 60 MPa 抗拉强度 5 MPa。", Verdict.MET),
        (asked("抗压强度", "≥", 50, "MPa"), "抗压强度提高了60%。", Verdict.UNKNOWN),
        (asked("抗压强度", "≥", 50, "MPa"), "抗压强度未达到 60 MPa。", Verdict.UNKNOWN),
        (asked("抗压强度", "≥", 50, "MPa"), "预计抗压强度达到 60 MPa。", Verdict.UNKNOWN),
        (asked("抗压强度", "≥", 50, "MPa"), "传统材料抗压强度仅 30 MPa，本材料抗压强度达到 60 MPa。", Verdict.MET),
        (asked("抗压强度", "≥", 50, "MPa"), "抗压强度 60 MPa；潮湿后抗压强度 30 MPa。", Verdict.UNMET),
        (asked("抗压强度", "≥", 50, "MPa"), "抗压强度达到 60 kN。", Verdict.UNKNOWN),
        (asked("定位精度", "≤", 10, "μm"), "定位精度优于 1 丝。", Verdict.MET),
        (asked("定位精度", "≤", 10, "μm"), "定位精度±5 μm。", Verdict.MET),
        (asked("精度", "≤", 10, "μm"), "重复定位精度达到 0.005 mm。", Verdict.MET),
        (asked("温度", "≥", 100, "℃"), "温度传感器误差 0.5 ℃。", Verdict.UNKNOWN),
        (asked("控温精度", "≤", 1, "K"), "控温精度±0.5℃。", Verdict.MET),
        (asked("工作温度", "between", 0, "℃", value_to=40), "工作温度 10~30 ℃。", Verdict.MET),
        (asked("工作温度", "between", 273.15, "K", value_to=313.15), "工作温度 10~30 ℃。", Verdict.MET),
        (asked("厚度", "between", 10, "μm", value_to=20), "涂层厚度 15±3 μm。", Verdict.MET),
        (asked("循环寿命", "≥", 5, "万次"), "循环寿命超过 60,000 次。", Verdict.MET),
        (asked("识别率", "≥", 0.95, ""), "识别率不低于 0.97。", Verdict.MET),
        (asked("检测限", "≤", 5, "ppm"), "检测限低至 50 ppb。", Verdict.MET),
    ],
)
def test_texts_decide(constraint: Constraint, text: str, verdict: Verdict) -> None:
    found = check(constraint, text)
    assert found.verdict is verdict
    assert (found.note is None) is (verdict is not Verdict.UNKNOWN)


def test_both_sides_are_quoted_and_the_conversion_written_out() -> None:
    constraint = asked("定位精度", "≤", 0.1, "mm")
    wanted = needing(constraint, goal="要求定位精度不大于 0.1 mm，可连续运行。")
    (found,) = check_pair(wanted, offering("设备小巧。样机定位精度达到 50 μm，已试用。"))
    assert (found.verdict, found.level, found.read_from_text) == (Verdict.MET, Level.MUST, False)
    assert found.evidence_need == "要求定位精度不大于 0.1 mm，可连续运行"
    assert found.evidence_result == "样机定位精度达到 50 μm，已试用"
    assert found.conversion == "50 μm = 0.05 mm"
    assert (found.need, found.result) == ("≤ 0.1 mm", "50 μm")


def test_a_typed_figure_goes_before_the_text() -> None:
    constraint = asked("抗压强度", "≥", 50, "MPa")
    figure = Measured(name="抗压强度", value=30, unit="MPa")
    found = check(constraint, "抗压强度达到 60 MPa。", figure)
    assert (found.verdict, found.evidence_result) == (Verdict.UNMET, "抗压强度 30 MPa")
    silent = Measured(name="抗压强度", value=30, unit="quux")
    assert check(constraint, "抗压强度达到 60 MPa。", silent).verdict is Verdict.MET
    assert check(constraint, "性能良好。", silent).note == "unknown_unit"


@pytest.mark.parametrize(
    ("constraint", "text", "figure", "note"),
    [
        (asked("硬度", "≥", 50, "MPa"), "性能良好。", None, "no_figure"),
        (asked("硬度", "≥", 50, "quux"), "硬度达到 60 HRC。", None, "unknown_unit"),
        (asked("硬度", "≥", 50, "HRC"), "性能良好。", Measured(name="硬度", value=3, unit="mm"), "not_comparable"),
        (asked("硬度", "≥", 50, "HRC"), "硬度 40 HRC 以上。", None, "undecided"),
        (asked("硬度", "≥", 50, "HRC"), "预期硬度达到 60 HRC。", None, "figure_intended"),
        (asked("硬度", "≥", 50, "HRC"), "硬度未达到 60 HRC。", None, "figure_negated"),
        (asked("硬度", "≥", 50, "HRC"), "硬度提高了 20%。", None, "figure_relative"),
    ],
)
def test_unknown_says_why_and_what_to_ask(
    constraint: Constraint, text: str, figure: Measured | None, note: str
) -> None:
    found = check(constraint, text, *([figure] if figure else []))
    assert (found.verdict, found.note) == (Verdict.UNKNOWN, note)
    assert found.note_zh
    assert found.note_en
    (question,) = questions([found])
    assert question.zh.count("\n") == question.en.count("\n") == 1
    assert found.need in question.zh
    assert constraint.name in question.en


# ---- wishes read from texts -----------------------------------------------------------------------------------------


def test_what_only_the_text_asks_is_a_wish() -> None:
    wanted = needing(
        asked("切换时间", "≤", 10, "ms"),
        difficulty="要求切换时间不大于 10 ms，额定功率不低于 500 kW；现有装置噪声超过 80 dB。",
        goal="期望循环寿命超过 1万次，表面光洁。",
        current_state="目前切换时间大于 20 ms，良率不足 60%。",
    )
    wishes = derived_of(wanted)
    assert [(wish.constraint.name, wish.constraint.value) for wish in wishes] == [("额定功率", 500), ("循环寿命", 1)]
    assert all(wish.constraint.level is Level.WISH for wish in wishes)
    checks = check_pair(wanted, offering("额定功率 0.3 MW。"))
    assert [(found.name, found.verdict, found.read_from_text) for found in checks] == [
        ("切换时间", Verdict.UNKNOWN, False),
        ("额定功率", Verdict.UNMET, True),
        ("循环寿命", Verdict.UNKNOWN, True),
    ]
    assert not fails_a_must(wanted.constraints, checks)
    assert checks[1].evidence_need == "要求切换时间不大于 10 ms，额定功率不低于 500 kW"


@pytest.mark.parametrize(
    "text",
    [
        "母线电压跌落大，切换时间超过 20 ms，敏感负荷停机。",
        "现有设备精度不低于 5 μm。",
        "希望达到 60 MPa 以上。",
        "效率要提高 30% 以上。",
        "工作时间不少于 5 quux。",
        "设备低于 -20 ℃ 时停机。",
    ],
)
def test_what_is_not_clearly_asked_is_not_derived(text: str) -> None:
    assert derived_of(needing(difficulty=text)) == ()


def test_the_same_wish_is_derived_once() -> None:
    wanted = needing(difficulty="抗压强度不低于 50 MPa。", goal="抗压强度不低于 55 MPa，耐压强度≥50 MPa。")
    assert [wish.constraint.value for wish in derived_of(wanted)] == [50]


# ---- contradictions -------------------------------------------------------------------------------------------------


def test_contradictions_are_told_and_never_met() -> None:
    both = (asked("精度", "≥", 10, "mm"), asked("硬度", "≥", 1, "HRC"), asked(" 精度 ", "≤", 0.5, "cm"))
    (found,) = contradictions(both)
    assert (found.first, found.second) == (0, 2)
    assert "≥ 10 mm" in found.zh
    assert "≤ 0.5 cm" in found.en
    for value in (3.0, 7.0, 12.0):
        checks = check_all(both, [Measured(name="精度", value=value, unit="mm")])
        assert all(checks[at].verdict is not Verdict.MET for at in (0, 2))
        assert [each.note for each in checks] == ["contradictory", "no_figure", "contradictory"]
        assert fails_a_must(both, checks)
    assert [question.name for question in questions(check_all(both, []))] == ["硬度"]


@pytest.mark.parametrize(
    "pair",
    [
        (asked("精度", "≥", 5, "mm"), asked("精度", "≤", 5, "mm")),
        (asked("精度", "≥", 10, "mm"), asked("精度", "≤", 5, "kg")),
        (asked("精度", "≥", 10, "mm"), asked("粗糙度", "≤", 5, "mm")),
    ],
)
def test_what_can_be_met_together_is_no_contradiction(pair: tuple[Constraint, Constraint]) -> None:
    assert contradictions(pair) == ()


# ---- never proposed -------------------------------------------------------------------------------------------------

UNITS = {"mm": 1e-3, "μm": 1e-6, "丝": 1e-5, "厘米": 1e-2, "m": 1.0}
FIGURES = st.tuples(st.integers(1, 9_999), st.sampled_from(sorted(UNITS)))
ASKED = st.tuples(st.sampled_from("≥≤><"), FIGURES, st.sampled_from(Level))
SHOWN = st.tuples(FIGURES, st.sampled_from(["typed", "text"]))


def violates(comparator: str, limit: float, value: float) -> bool:
    """Plainly beyond the limit: by more than a fifth of it, said without the code under test."""
    return value < 0.8 * limit if comparator in "≥>" else value > 1.2 * limit


@given(st.lists(ASKED, min_size=1, max_size=3), st.lists(SHOWN, min_size=1, max_size=8))
@settings(deadline=None, max_examples=150)
def test_an_unmet_must_is_never_chosen(wishes: list[Any], shown: list[Any]) -> None:
    constraints = tuple(asked("定位精度", sign, number, unit, level=level) for sign, (number, unit), level in wishes)
    wanted = Copy("need", (1, 0), needing(*constraints), True)
    pairs: list[tuple[Pair, float]] = []
    for place, ((number, unit), where) in enumerate(shown):
        party = f"party-{place}"
        offered = (
            offering("样机已试用。", Measured(name="定位精度", value=number, unit=unit), party=party)
            if where == "typed"
            else offering(f"样机的定位精度达到 {number} {unit}，已试用。", party=party)
        )
        pairs.append((Pair.of(wanted, Copy(party, (1, 0), offered, True), GOOD), number * UNITS[unit]))
    chosen = choose((Candidate(pair.result.id, pair.institution) for pair, _ in pairs if pair.is_admissible), RULES)
    for pair, value in pairs:
        for (sign, (number, unit), level), found in zip(wishes, pair.checks, strict=True):
            if violates(sign, number * UNITS[unit], value):
                assert found.verdict is Verdict.UNMET
                assert level is not Level.MUST or pair.result.id not in chosen


def test_a_must_on_a_figure_found_only_in_the_text_bars_the_pair() -> None:
    wanted = Copy("need", (1, 0), needing(asked("抗压强度", "≥", 50, "MPa")), True)
    poor = Pair.of(wanted, Copy("poor", (1, 0), offering("抗压强度达到 30 MPa。"), True), GOOD)
    good = Pair.of(wanted, Copy("good", (1, 0), offering("抗压强度达到 60 MPa。"), True), GOOD)
    assert (poor.is_admissible, good.is_admissible) == (False, True)
    assert good.proposal().constraints[0].evidence_result == "抗压强度达到 60 MPa"


def test_nothing_is_quoted_or_asked_of_what_is_not_open() -> None:
    hidden = needing(asked("抗压强度", "≥", 51, "MPa"), visibility=Visibility.CONFIDENTIAL)
    offered = offering("抗拉强度 33 MPa。")
    pair = Pair.of(Copy("need", (1, 0), hidden, True), Copy("result", (1, 0), offered, True), GOOD)
    view, proposal = candidate_view(pair), pair.proposal()
    assert (view.constraints, view.questions, proposal.constraints) == ((), (), ())
    said = view.model_dump_json(include={"reasons", "gaps"}) + proposal.model_dump_json(include={"reasons", "gaps"})
    assert "51" not in said
    assert "抗压强度" not in said
    open_pair = Pair.of(Copy("need", (1, 0), needing(asked("抗压强度", "≥", 51, "MPa")), True), pair.result, GOOD)
    assert [question.name for question in candidate_view(open_pair).questions] == ["抗压强度"]


SAID = st.lists(
    st.sampled_from(
        [
            *"0159,.-~±×^/()%，。；、\n\x00😀",
            "10^",
            "精度",
            "强度",
            "寿命",
            "不大于",
            "以上",
            "达到",
            "mm",
            "MPa",
            "℃",
            "万",
            "次",
            "quux",
        ]
    ),
    min_size=1,
    max_size=80,
).map(lambda pieces: "说" + "".join(pieces))
CONSTRAINTS = st.lists(
    st.builds(
        asked,
        st.sampled_from(["精度", "强度", "寿命"]),
        st.sampled_from("≥≤><="),
        st.floats(-1e9, 1e9),
        st.sampled_from(["mm", "MPa", "℃", "", "quux", "万次"]),
    ),
    max_size=6,
)


@given(SAID, SAID, CONSTRAINTS)
@settings(deadline=None)
def test_any_texts_are_checked_and_unknown_is_never_met(asks: str, says: str, constraints: list[Constraint]) -> None:
    wanted = needing(*constraints, difficulty=asks)
    checks = check_pair(wanted, offering(says))
    assert len(checks) >= len(constraints)
    for found in checks:
        assert (found.verdict is Verdict.MET) <= (found.result is not None and found.evidence_result is not None)
        assert found.note != "contradictory" or found.verdict is not Verdict.MET
    assert len(questions(checks)) <= len(checks)
