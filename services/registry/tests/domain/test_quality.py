from hypothesis import given
from hypothesis import strategies as st
from registry.domain.quality import Description, NeedQuality, Part, QualityLine, assess, measured_values
from registry.tables import quality_rules

RULES = quality_rules()

FULL = Description(
    title="光学元件亚纳米级面形检测国产化",
    difficulty=(
        "现有进口干涉仪在产线环境中受振动和温度影响，重复性约 2 nm，无法满足 0.5 nm 的要求；"
        "口径 300 mm，测量时间应小于 60 s，工作温度 20 ℃±1 ℃，已试过隔振台与平均法，仍有 1 nm 漂移，"
        "需要从光路设计与算法两方面共同突破这一瓶颈。"
    ),
    current_state="已有工程师团队和检测实验室，备有样件与一条中试线。",
    goal="重复性优于 0.5 nm，测量时间 30 s 以内，完成 12 个月内验收。",
    indicators=6,
    budget_fen=200_000_000,
    keywords=3,
    due=True,
)
THIN = Description(title="求购设备", difficulty="要求性能越高越好，价格面议")


def line(quality: NeedQuality, part: Part) -> QualityLine:
    return next(entry for entry in quality.lines if entry.part == part)


def test_a_full_description_reaches_every_point() -> None:
    quality = assess(FULL, RULES)
    assert quality.score == 100
    assert quality.route == "match-first"
    assert all(entry.hint_zh is None and entry.hint_en is None for entry in quality.lines)


def test_a_bare_purchase_with_vague_words_scores_low_and_says_why() -> None:
    quality = assess(THIN, RULES)
    assert quality.route == "complete-first"
    assert {entry.part: entry.points for entry in quality.lines} == {
        "completeness": 4,
        "indicators": 0,
        "problem": 5,
        "base": 5,
        "budget": 0,
        "necessity": 3,
        "consistency": 0,
    }
    assert "求购" in line(quality, "necessity").zh
    assert "越高越好" in line(quality, "consistency").zh
    assert "预期目标" in (line(quality, "completeness").hint_zh or "")


def test_maxima_add_up_to_one_hundred() -> None:
    assert sum(entry.max for entry in assess(THIN, RULES).lines) == 100


def test_the_steps_of_indicators_begin_where_the_table_says() -> None:
    reached = [
        line(assess(Description(title="t", difficulty="d", indicators=n), RULES), "indicators").points for n in range(8)
    ]
    assert reached == [0, 8, 8, 15, 15, 15, 20, 20]


def test_budget_counts_in_fen() -> None:
    def points(fen: int) -> int:
        return line(assess(Description(title="t", difficulty="d", budget_fen=fen), RULES), "budget").points

    assert [points(0), points(1), points(99_999_999), points(100_000_000)] == [0, 6, 6, 10]


def test_numbers_count_as_indicators_only_with_a_unit() -> None:
    found = measured_values("精度10 μm，另有10μm，长 3mm，2026 条，速度 5 m/s，型号 5main", RULES.indicators.units)
    assert found == {"10μm", "3mm", "5m/s"}


@given(st.text(max_size=300), st.text(max_size=300), st.integers(0, 30), st.integers(0, 10**12), st.booleans())
def test_the_score_is_the_sum_of_lines_within_their_bounds(
    title: str, difficulty: str, indicators: int, budget: int, due: bool
) -> None:
    need = Description(title=title, difficulty=difficulty, indicators=indicators, budget_fen=budget, due=due)
    quality = assess(need, RULES)
    assert quality.score == sum(entry.points for entry in quality.lines)
    assert all(0 <= entry.points <= entry.max for entry in quality.lines)
    assert 0 <= quality.score <= 100


@given(st.integers(0, 12), st.integers(0, 12))
def test_more_indicators_never_lower_the_score(fewer: int, more: int) -> None:
    low, high = sorted((fewer, more))
    low_score = assess(Description(title="t", difficulty="d", indicators=low), RULES).score
    assert low_score <= assess(Description(title="t", difficulty="d", indicators=high), RULES).score
