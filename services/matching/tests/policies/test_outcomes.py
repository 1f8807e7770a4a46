"""What a policy comes to: nearly met and how far, what is missing, which clause, and the fact worth asking for."""

import random
from typing import Any

import pytest
from matching.policies.domain.conditions import Bank, Compiled, compile_condition, compile_policy, compiled_root
from matching.policies.domain.facts import NO, UNKNOWN, YES, Key, Known, known
from matching.policies.domain.outcomes import Assessment, Failing, Outcome, assess, best_question, failures, value_of
from matching.policies.domain.support import estimate
from qianqiao_contracts import MoneyRange

from .made import YEAR, asks, facts, group, known_facts, policy, random_condition, random_firm

REVENUE = asks("revenue", "≥", 5000, unit="万元", period="year-1")
STAFF = asks("staff", "≤", 300, unit="人")
SRDI = asks("srdi", "=", True)


def assessed(condition: dict[str, Any], firm: dict[Key, Known]) -> Assessment:
    bank = Bank()
    compiled = compile_policy(policy(condition), YEAR, bank)
    return assess(compiled, bank.verdicts(firm), bank, firm)


def clauses(condition: dict[str, Any], firm: dict[Key, Known]) -> list[str]:
    bank = Bank()
    compiled = compile_policy(policy(condition), YEAR, bank)
    return [failing.test.clause for failing in failures(compiled, bank.verdicts(firm), bank, firm)]


def nearly(condition: dict[str, Any], firm: dict[Key, Known]) -> Failing:
    found = assessed(condition, firm)
    assert found.outcome is Outcome.NEARLY
    assert found.failing is not None
    return found.failing


def test_everything_met_is_eligible() -> None:
    firm = facts(revenue=(0.5, "亿元", "2025"), staff=(300, "人"), srdi=True)
    assert assessed(group("all", REVENUE, STAFF, SRDI), firm) == Assessment(Outcome.ELIGIBLE)


def test_exactly_one_failing_is_nearly_with_its_distance() -> None:
    firm = facts(revenue=(4800, "万元", "2025"), staff=(300, "人"), srdi=True)
    failing = nearly(group("all", REVENUE, STAFF, SRDI), firm)
    assert failing.test.clause == REVENUE["clause"]
    assert failing.distance == (200.0, "万元", 0.04)


def test_the_distance_is_in_the_unit_of_the_condition() -> None:
    assert nearly(asks("x", "<", 5, unit="%"), facts(x=0.075)).distance == (2.5, "%", 0.5)


def test_what_is_no_figure_has_no_distance() -> None:
    failing = nearly(group("all", STAFF, SRDI), facts(staff=(3, "人"), srdi=False))
    assert (failing.test.clause, failing.distance) == (SRDI["clause"], None)


def test_two_failing_are_not_eligible_and_both_are_named() -> None:
    firm = facts(revenue=(1, "万元", "2025"), staff=(500, "人"), srdi=True)
    condition = group("all", REVENUE, STAFF, SRDI)
    assert assessed(condition, firm).outcome is Outcome.NOT_ELIGIBLE
    assert clauses(condition, firm) == [REVENUE["clause"], STAFF["clause"]]


def test_one_failing_beside_a_missing_fact_is_not_nearly() -> None:
    condition, firm = group("all", REVENUE, STAFF), facts(staff=(500, "人"))
    assert assessed(condition, firm).outcome is Outcome.NOT_ELIGIBLE
    assert clauses(condition, firm) == [STAFF["clause"]]


def test_of_alternatives_the_nearest_is_named() -> None:
    condition = group("any", asks("a", "≥", 100), asks("b", "≥", 100))
    assert nearly(condition, facts(a=50, b=90)).test.field == "b"


def test_below_none_it_is_the_condition_that_holds_which_fails() -> None:
    condition = group("none", asks("dishonest", "=", True), asks("environment_penalty", "=", True))
    assert nearly(condition, facts(dishonest=True, environment_penalty=False)).test.field == "dishonest"
    firm = facts(dishonest=True, environment_penalty=True)
    assert assessed(condition, firm).outcome is Outcome.NOT_ELIGIBLE
    assert len(clauses(condition, firm)) == 2


def test_at_least_k_short_by_one_is_nearly() -> None:
    condition = group("at_least", *(asks(f"f{place}", "=", 1) for place in range(3)), k=2)
    assert assessed(condition, facts(f0=1, f1=0, f2=0)).outcome is Outcome.NEARLY
    assert assessed(condition, facts(f0=0, f1=0, f2=0)).outcome is Outcome.NOT_ELIGIBLE


def test_only_facts_that_can_still_decide_are_missing() -> None:
    condition = group("all", REVENUE, group("any", SRDI, asks("patents", "≥", 5)))
    firm = facts(srdi=True)
    assert assessed(condition, firm).missing == (Key("revenue", "2025"),)


def test_a_firm_without_any_fact_lacks_data_and_fails_nothing() -> None:
    assert assessed(group("all", REVENUE, STAFF), {}).outcome is Outcome.NEED_DATA


@pytest.mark.parametrize("seed", range(25))
def test_the_outcome_follows_its_definition_on_random_policies(seed: int) -> None:
    chance = random.Random(1_000 + seed)
    for _ in range(12):
        bank = Bank()
        compiled = compiled_root(compile_condition(policy(random_condition(chance)).conditions, YEAR, bank))
        firm = known_facts(random_firm(chance))
        verdicts = bank.verdicts(firm)
        found = assess(compiled, verdicts, bank, firm)
        assert value_of(compiled.root, verdicts) == compiled.value(verdicts)
        assert found.outcome is _defined(compiled, verdicts)
        if found.outcome is Outcome.NEED_DATA:
            _decides(compiled, verdicts, bank, found.missing)


def _defined(compiled: Compiled, verdicts: list[int]) -> Outcome:
    value = compiled.value(verdicts)
    if value != NO:
        return Outcome.ELIGIBLE if value == YES else Outcome.NEED_DATA
    for place, was in enumerate(verdicts):
        turned = [*verdicts[:place], -was, *verdicts[place + 1 :]]
        if was != UNKNOWN and compiled.value(turned) == YES:
            return Outcome.NEARLY
    return Outcome.NOT_ELIGIBLE


def _decides(compiled: Compiled, verdicts: list[int], bank: Bank, missing: tuple[Key, ...]) -> None:
    """Knowing the missing facts decides, whatever they are; knowing any others leaves it open."""
    asked = [place for place, leaf in enumerate(bank.leaves) if leaf.key in missing]
    for answer in (YES, NO):
        told = [answer if place in asked and was == UNKNOWN else was for place, was in enumerate(verdicts)]
        assert compiled.value(told) != UNKNOWN
        free = [place for place, was in enumerate(verdicts) if was == UNKNOWN and place not in asked]
        others = [answer if place in free else was for place, was in enumerate(verdicts)]
        assert compiled.value(others) == UNKNOWN


# ---- the question ------------------------------------------------------------------------------------------


def lacking(*fields: str) -> Assessment:
    return Assessment(Outcome.NEED_DATA, missing=tuple(Key(field) for field in fields))


def test_the_question_is_the_fact_that_decides_most_policies() -> None:
    found = best_question(
        [lacking("a"), lacking("b"), lacking("b"), lacking("a", "c"), lacking("a", "c"), lacking("c", "a")]
    )
    assert found == (Key("b"), 2, 2)


def test_equal_questions_go_by_how_many_they_concern_then_by_name() -> None:
    assert best_question([lacking("a"), lacking("b"), lacking("b", "c")]) == (Key("b"), 1, 2)
    assert best_question([lacking("b"), lacking("a")]) == (Key("a"), 1, 1)


def test_where_no_answer_decides_alone_the_commonest_fact_is_asked_for() -> None:
    assert best_question([lacking("a", "b"), lacking("b", "c")]) == (Key("b"), 0, 2)


def test_where_nothing_is_missing_nothing_is_asked() -> None:
    assert best_question([Assessment(Outcome.ELIGIBLE)]) is None


# ---- the amount ------------------------------------------------------------------------------------------


TENTH = {"field": "rd_spend", "period": "year-1", "share": 0.1}
HALF = {"field": "rd_spend", "share": 0.5}


@pytest.mark.parametrize(
    ("content", "given", "expected"),
    [
        ({}, {}, None),
        ({"support_max": {"fen": 500}}, {}, (None, 500)),
        ({"support_min": {"fen": 100}, "support_max": {"fen": 500}}, {}, (100, 500)),
        ({"support_share": TENTH}, {}, None),
        ({"support_share": TENTH}, {"rd_spend": (10.07, "元", "2025")}, (100, 100)),
        ({"support_share": TENTH}, {"rd_spend": (9, "元", "2024")}, None),
        ({"support_share": HALF, "support_max": {"fen": 300}}, {"rd_spend": (9, "元")}, (300, 300)),
        ({"support_share": HALF, "support_min": {"fen": 900}}, {"rd_spend": (9, "元")}, (900, 900)),
        ({"support_share": HALF, "support_max": {"fen": 9}}, {"rd_spend": (9, "人")}, (None, 9)),
        ({"support_min": {"fen": 900}, "support_max": {"fen": 300}}, {}, (None, 300)),
    ],
)  # fmt: skip
def test_the_estimate_is_a_range_in_fen(content: dict[str, Any], given: dict[str, Any], expected: Any) -> None:
    found = estimate(policy(SRDI, **content), facts(**given), YEAR)
    assert found == (None if expected is None else MoneyRange(min_fen=expected[0], max_fen=expected[1]))


def test_known_values_keep_true_and_one_apart() -> None:
    assert known(True) is True
    assert known(1.0) != known(True)
