"""Three values: each operator at its boundary, units, periods, groups; and two fast ways against the plain one."""

import random
from typing import Any

import pytest
from matching.policies.domain.columns import Columns
from matching.policies.domain.conditions import Bank, absolute, compile_condition, compile_policy, compiled_root
from matching.policies.domain.facts import NO, UNKNOWN, YES, Key, amount, known

from . import naive
from .made import YEAR, asks, facts, group, known_facts, policy, random_condition, random_firm

FIVE_THOUSAND = {"unit": "万元"}


def value_of(conditions: dict[str, Any], year: int = YEAR, **given: Any) -> int:
    bank = Bank()
    compiled = compile_policy(policy(conditions), year, bank)
    return compiled.value(bank.verdicts(facts(**given)))


@pytest.mark.parametrize(
    ("op", "below", "at", "above"),
    [("<", YES, NO, NO), ("≤", YES, YES, NO), ("=", NO, YES, NO), ("≠", YES, NO, YES), ("≥", NO, YES, YES),
     (">", NO, NO, YES)],
)  # fmt: skip
def test_a_bound_is_as_the_operator_of_the_clause_says(op: str, below: int, at: int, above: int) -> None:
    condition = asks("revenue", op, 5000, **FIVE_THOUSAND)
    for given, expected in ((49_999_999.99, below), (50_000_000, at), (50_000_000.01, above)):
        assert value_of(condition, revenue=(given, "元")) == expected
    assert value_of(condition) == UNKNOWN


@pytest.mark.parametrize(
    ("want", "unit", "have", "given"),
    [
     (0.1, "万元", 1000, "元"), (0.3, "亿元", 3000, "万元"), (5, "%", 0.05, ""), (3, "%", 30, "‰"),
     (0.07, "亿元", 7_000_000, "元"), (1, "年", 12, "个月"), (15, "亩", 10_000, "平方米"),
     (1000, "万 元", 1000, "万元")],
)  # fmt: skip
def test_units_are_converted_exactly(want: float, unit: str, have: float, given: str) -> None:
    assert value_of(asks("x", "=", want, unit=unit), x=(have, given)) == YES
    assert value_of(asks("x", ">", want, unit=unit), x=(have, given)) == NO


def test_money_is_in_fen() -> None:
    assert amount(0.29, "元") == ("money", 29.0)
    assert amount(1.1, "万元") == ("money", 1_100_000.0)


@pytest.mark.parametrize("given", [(300, "人"), (300, "箱"), (300, ""), "三百万元", True])
def test_what_cannot_be_compared_is_missing_and_not_failing(given: Any) -> None:
    assert value_of(asks("x", "≥", 200, **FIVE_THOUSAND), x=given) == UNKNOWN


def test_a_unit_that_is_not_listed_compares_with_itself() -> None:
    condition = asks("energy", "≤", 100, unit="吨标准煤")
    assert value_of(condition, energy=(90, "吨标准煤")) == YES
    assert value_of(condition, energy=(90, "吨")) == UNKNOWN


def test_a_fact_counts_for_its_own_period_only() -> None:
    condition = asks("revenue", "≥", 1, unit="万元", period="year-1")
    assert value_of(condition, revenue=(2, "万元", "2025")) == YES
    assert value_of(condition, year=2027, revenue=(2, "万元", "2025")) == UNKNOWN
    for other in ("2024", "FY2025", "2025-H1", ""):
        assert value_of(condition, revenue=(2, "万元", other)) == UNKNOWN
    assert value_of(asks("revenue", "≥", 1, unit="万元"), revenue=(2, "万元", "2025")) == UNKNOWN


@pytest.mark.parametrize(
    ("period", "found"), [(None, ""), ("2025", "2025"), ("year-0", "2026"), ("year-2", "2024"), ("fy-1", "FY2025")]
)
def test_relative_periods_count_back_from_the_year_of_application(period: str | None, found: str) -> None:
    assert absolute(period, YEAR) == found


def test_a_figure_of_the_group_is_none_of_the_firm() -> None:
    bank = Bank()
    compiled = compile_policy(policy(asks("revenue", "≥", 1, scope="group")), YEAR, bank)
    firm = facts(revenue=5)
    assert compiled.value(bank.verdicts(firm)) == UNKNOWN
    firm[Key("revenue", "", "group")] = known(5)
    assert compiled.value(bank.verdicts(firm)) == YES


def test_flags_texts_and_lists() -> None:
    assert value_of(asks("srdi", "=", True), srdi=False) == NO
    assert value_of(asks("dishonest", "≠", True), dishonest=False) == YES
    assert value_of(asks("level", "in", ["省级", "国家级"]), level="省 级") == YES
    assert value_of(asks("level", "not_in", ["省级"]), level="省级") == NO
    assert value_of(asks("certificates", "=", "iso9001"), certificates=(("ISO9001", "ISO14001"), "")) == YES
    assert value_of(asks("certificates", "not_in", ["a", "b"]), certificates=(("b", "c"), "")) == NO
    assert value_of(asks("patent", "present"), patent=False) == NO
    assert value_of(asks("patent", "present")) == UNKNOWN


@pytest.mark.parametrize(
    ("match", "k", "given", "expected"),
    [
        ("all", None, (1, 1, 1), YES), ("all", None, (1, None, 1), UNKNOWN), ("all", None, (0, None, 1), NO),
        ("any", None, (0, 0, 1), YES), ("any", None, (0, None, 0), UNKNOWN), ("any", None, (0, 0, 0), NO),
        ("none", None, (0, 0, 0), YES), ("none", None, (0, None, 0), UNKNOWN), ("none", None, (None, 1, 0), NO),
        ("at_least", 2, (1, 1, None), YES), ("at_least", 2, (1, None, 0), UNKNOWN), ("at_least", 2, (1, 0, 0), NO),
        ("at_least", 2, (None, None, 0), UNKNOWN), ("at_least", 3, (1, 1, 0), NO),
    ],
)  # fmt: skip
def test_groups_in_three_values(match: str, k: int | None, given: tuple[int | None, ...], expected: int) -> None:
    condition = group(match, *(asks(f"f{place}", "=", 1) for place in range(3)), k=k)
    known_ones = {f"f{place}": value for place, value in enumerate(given) if value is not None}
    assert value_of(condition, **known_ones) == expected


def test_a_policy_is_for_enterprises_unless_it_says_otherwise() -> None:
    bank, condition = Bank(), asks("staff", "≥", 1)
    firm, school = facts(staff=2), facts(staff=2) | {Key("party_kind"): known("university")}
    assert compile_policy(policy(condition), YEAR, bank).value(bank.verdicts(school)) == NO
    for_schools = compile_policy(policy(condition, beneficiaries=["university"]), YEAR, bank)
    assert for_schools.value(bank.verdicts(school)) == YES
    assert for_schools.value(bank.verdicts(firm)) == NO


@pytest.mark.parametrize(
    ("of_policy", "of_firm", "expected"),
    [
        ("青岛市", "青岛", YES), ("青岛", "山东省青岛市城阳区", YES), ("山东省", "青岛", YES), ("全国", "青岛市", YES),
        ("青岛市", "山东省", UNKNOWN), ("青岛高新区", "青岛", UNKNOWN), ("青岛", "济南市", NO), ("山东", "江苏省", NO),
        ("青岛", "某某镇", UNKNOWN), ("某某镇", "某某镇", YES), ("青岛", "青岛济南", UNKNOWN), ("青岛", None, UNKNOWN),
        ("青岛市黄岛区", "青岛西海岸新区", YES), ("江苏", "青岛和江苏", UNKNOWN),
    ],
)  # fmt: skip
def test_a_region_is_within_another_by_the_table_alone(of_policy: str, of_firm: str | None, expected: int) -> None:
    bank = Bank()
    compiled = compile_policy(policy(asks("staff", "≥", 1), region=of_policy), YEAR, bank)
    firm = facts(staff=2, **({} if of_firm is None else {"region": of_firm}))
    assert compiled.value(bank.verdicts(firm)) == expected


@pytest.mark.parametrize("seed", range(40))
def test_both_fast_ways_judge_as_the_plain_one(seed: int) -> None:
    chance = random.Random(seed)
    conditions = [policy(random_condition(chance)).conditions for _ in range(12)]
    firms = [random_firm(chance) for _ in range(12)]
    bank = Bank()
    compiled = [compiled_root(compile_condition(each, YEAR, bank)) for each in conditions]
    known_firms = [known_facts(firm) for firm in firms]
    columns = Columns(known_firms, bank)
    for condition, ready in zip(conditions, compiled, strict=True):
        expected = [naive.verdict(condition, naive.plain(firm), YEAR) for firm in firms]
        assert [ready.value(bank.verdicts(firm)) for firm in known_firms] == expected
        assert columns.value(ready).tolist() == expected


def test_equal_conditions_of_different_policies_are_judged_once() -> None:
    bank = Bank()
    for number in range(3):
        compile_policy(policy(asks("revenue", "≥", 5000, unit="万元"), title=f"（示例）{number}"), YEAR, bank)
    compile_policy(policy(asks("revenue", "≥", 0.5, unit="亿元")), YEAR, bank)
    assert len(bank.leaves) == 2  # for enterprises; at least fifty million
