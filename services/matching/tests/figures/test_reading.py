"""Figures in texts: what is read, what is kept apart, and that no text takes long."""

import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matching.figures.evaluate import evaluate, precision_and_recall
from matching.figures.reading import Stance, _Reader, read
from matching.figures.statements import written

SENTENCES = Path(__file__).with_name("sentences.toml")


def test_the_labelled_sentences_are_read() -> None:
    outcomes = evaluate(SENTENCES)
    assert len(outcomes) >= 80
    precision, recall = precision_and_recall(outcomes)
    wrong = [outcome.text for outcome in outcomes if outcome.expected != outcome.found]
    assert precision >= 0.95, wrong
    assert recall >= 0.95, wrong


@pytest.mark.parametrize(
    ("before", "behind", "said"),
    [
        ("≥", "", "≥ 5 mm"),
        (">=", "", "≥ 5 mm"),
        ("＞", "", "> 5 mm"),
        ("≤", "", "≤ 5 mm"),
        ("<", "", "< 5 mm"),
        ("不小于", "", "≥ 5 mm"),
        ("不低于", "", "≥ 5 mm"),
        ("不少于", "", "≥ 5 mm"),
        ("至少", "", "≥ 5 mm"),
        ("大于等于", "", "≥ 5 mm"),
        ("大于或等于", "", "≥ 5 mm"),
        ("不得小于", "", "≥ 5 mm"),
        ("", "以上", "≥ 5 mm"),
        ("", "及以上", "≥ 5 mm"),
        ("不大于", "", "≤ 5 mm"),
        ("不超过", "", "≤ 5 mm"),
        ("不高于", "", "≤ 5 mm"),
        ("至多", "", "≤ 5 mm"),
        ("不能超过", "", "≤ 5 mm"),
        ("", "以下", "≤ 5 mm"),
        ("在", "以内", "≤ 5 mm"),
        ("控制在", "之内", "≤ 5 mm"),
        ("小于", "", "< 5 mm"),
        ("低于", "", "< 5 mm"),
        ("不到", "", "< 5 mm"),
        ("不足", "", "< 5 mm"),
        ("大于", "", "> 5 mm"),
        ("高于", "", "> 5 mm"),
        ("超过", "", "> 5 mm"),
        ("达到", "", "5 mm"),
        ("可达", "", "5 mm"),
        ("为", "左右", "5 mm"),
        ("约", "", "5 mm"),
        ("：", "", "5 mm"),
        (" at least ", "", "≥ 5 mm"),
        (" up to ", "", "≤ 5 mm"),
        (" below ", "", "< 5 mm"),
        (" no more than ", "", "≤ 5 mm"),
        (" exceeds ", "", "> 5 mm"),
    ],
)
def test_comparators(before: str, behind: str, said: str) -> None:
    (reading,) = read(f"镀层厚度{before}5 mm{behind}。")
    assert (reading.name, written(reading.said), reading.stance) == ("镀层厚度", said, Stance.STATED)


@pytest.mark.parametrize(
    "between", ["10~20 μm", "10～20μm", "10-20 μm", "10–20 μm", "10—20 μm", "10至20 μm", "从10到20 μm", "10μm～20μm",
                "0.01 mm~20 μm", "介于10与20 μm之间", "(10~20) μm", "from 10 to 20 μm", "between 10 and 20 μm"],
)  # fmt: skip
def test_ranges(between: str) -> None:
    (reading,) = read(f"厚度 {between}。")
    value, value_to = reading.said.value, reading.said.value_to
    scale = 1000 if reading.said.unit == "mm" else 1
    assert value_to is not None
    assert (value * scale, value_to * scale) == (10, 20)


@pytest.mark.parametrize(
    ("number", "value", "unit"),
    [
        ("1,200 kg", 1200, "kg"),
        ("1.2×10^3 kg", 1200, "kg"),
        ("1.2×10³ kg", 1200, "kg"),
        ("1.2e3 kg", 1200, "kg"),
        ("10⁻³ mol/L", 0.001, "mol/L"),
        ("１２．５ ｋｇ", 12.5, "ｋｇ"),
        ("5万次", 5, "万次"),
        ("1.2亿元", 1.2, "亿元"),
        ("3千瓦", 3, "千瓦"),
        ("-20℃", -20, "℃"),
        ("−20 ℃", -20, "℃"),
    ],
)
def test_numbers(number: str, value: float, unit: str) -> None:
    (reading,) = read(f"指标为 {number}。")
    assert (reading.said.value, reading.said.unit) == (value, unit)


@pytest.mark.parametrize(
    "text",
    [
        "2023年12月31日前完成",
        "电话 010-62551234，手机 13800138000",
        "Q235钢、3D-BSA、ISO 9001、GB/T 4754-2017、SiO2、PM2.5",
        "1. 背景 2. 方法 3. 结论",
        "图 3、表2、第5 章、附件1",
        "比例1:3，时间10:30，版本1.2.3，日期2023-05-06",
        "通过 5G 网络支持 4K 视频和 3D 显示",
        "选取 12 个品系、3 次重复、100家企业",
        "2元共聚物的3次方",
        "316L 不锈钢",
    ],
)
def test_what_is_no_figure(text: str) -> None:
    assert read(text) == ()


@pytest.mark.parametrize(
    ("text", "stance"),
    [
        ("效率提高了30%", Stance.RELATIVE),
        ("能耗降低约 20 %", Stance.RELATIVE),
        ("效率比传统工艺高30%", Stance.RELATIVE),
        ("强度未达到 60 MPa", Stance.NEGATED),
        ("目前无法达到 60 MPa 的强度", Stance.NEGATED),
        ("预计强度达到 60 MPa", Stance.INTENDED),
        ("传统材料强度为 60 MPa", Stance.BACKGROUND),
        ("强度由 60 MPa 提升至高水平", Stance.BACKGROUND),
        ("在 60 MPa 下不泄漏", Stance.CONDITION),
        ("流动性优于 60 MPa", Stance.UNCLEAR),
        ("强度提高到 60 MPa", Stance.STATED),
        ("the efficiency was improved by 30%", Stance.RELATIVE),
        ("the strength did not reach 60 MPa", Stance.NEGATED),
    ],
)
def test_what_a_figure_is_said_to_be(text: str, stance: Stance) -> None:
    (reading,) = read(text)
    assert reading.stance is stance


def test_the_place_and_the_sentence_are_those_of_the_original() -> None:
    text = "装置小巧。经测试，比表面积（ＢＥＴ）可达 6５ ㎡/g 以上，耐温 350℃！已用于产线。"
    first, second = read(text)
    assert text[first.start : first.end] == "可达 6５ ㎡/g 以上"
    assert first.sentence == "经测试，比表面积（ＢＥＴ）可达 6５ ㎡/g 以上，耐温 350℃"
    assert (first.name, written(first.said)) == ("比表面积", "≥ 65 ㎡/g")
    assert text[second.start : second.end] == "350℃"


def test_names_and_figures_that_cannot_be_told_apart_are_unclear() -> None:
    assert [reading.stance for reading in read("长、宽、高分别为 5 m 和 3 m")] == [Stance.UNCLEAR, Stance.UNCLEAR]


# ---- hostile texts --------------------------------------------------------------------------------------------------

PIECES = [
    *("1", "9,", "1,000", "10^", "×10", "~", "-", "±", ".", "e9", " ", "(", ")", "/", "，", "。", "\n", "a1"),
    *("mm", "MPa", "℃", "万", "µ", "²", "½", "①", "٣", "İ", "😀", "\u200b", "\x00"),
    *("不", "大于", "不大于", "以上", "的", "从", "到", "强度", "at least ", "分别", "和", "提高了", "为"),
]
GROWING = [
    *("1", "1,", "1.", "1 ", "-1", "1~", "1e", "10^", "1±", "1×10^", "1mm×", "9" * 400 + " ", "(", "1/", "1m/"),
    *("不大于", "不大于1", "从1到", "1 m*m*", "😀1", "\x001", "分别为1mm和", "提高了1%", "a1", "℃1", "1万"),
    *("强度1MPa，", "强度达到1MPa和", "为为为", "of of ", "1 to "),
]


@given(st.lists(st.sampled_from(PIECES), max_size=200).map("".join) | st.text(max_size=400))
@settings(deadline=None)
def test_any_text_is_read_within_itself(text: str) -> None:
    for reading in read(text):
        assert 0 <= reading.start < reading.end <= len(text)
        assert any(character.isnumeric() for character in text[reading.start : reading.end])
        assert len(reading.sentence) <= 162
        assert reading.said.value_to is None or reading.said.value < reading.said.value_to


@pytest.mark.parametrize("unit", GROWING)
def test_time_grows_with_the_length_of_the_text(unit: str) -> None:
    """Eight times the text takes about eight times as long, never sixty-four times."""
    short, long = (unit * (length // len(unit)) for length in (2_000, 16_000))
    assert _seconds(long) < 28 * max(_seconds(short), 0.0005)


def _seconds(text: str) -> float:
    best = 1e9
    for _ in range(3):
        begun = time.process_time()
        list(_Reader(text).readings())
        best = min(best, time.process_time() - begun)
    return best
