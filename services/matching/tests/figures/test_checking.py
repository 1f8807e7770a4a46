"""Constraints against measured figures: met, near, unmet, unknown."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from matching.figures.checking import check_all, fails_a_must
from matching.figures.statements import written
from qianqiao_contracts import Comparator, Constraint, Level, Measured, Verdict

GE, GT, LE, LT, EQ, BETWEEN = (
    Comparator.GE,
    Comparator.GT,
    Comparator.LE,
    Comparator.LT,
    Comparator.EQ,
    Comparator.BETWEEN,
)


def verdict(constraint: Constraint, *measured: Measured) -> Verdict:
    (check,) = check_all([constraint], measured)
    return check.verdict


def asked(comparator: Comparator, value: float, unit: str = "mm", **more: object) -> Constraint:
    return Constraint.model_validate({"name": "精度", "comparator": comparator, "value": value, "unit": unit, **more})


def shown(value: float, unit: str = "mm", comparator: Comparator = EQ, name: str = "精度", **more: object) -> Measured:
    return Measured.model_validate({"name": name, "comparator": comparator, "value": value, "unit": unit, **more})


@pytest.mark.parametrize(
    ("constraint", "measured", "expected"),
    [
        (asked(LE, 10, "μm"), shown(0.008, "mm"), Verdict.MET),
        (asked(LE, 10, "um"), shown(1, "丝"), Verdict.MET),  # 1 丝 is 10 μm, and ≤ includes its end
        (asked(LE, 10, "微米"), shown(10.5, "µm"), Verdict.NEAR),
        (asked(LE, 10, "μm"), shown(0.02, "mm"), Verdict.UNMET),
        (asked(GE, 5, "MPa"), shown(50, "bar"), Verdict.MET),
        (asked(GE, 5, "MPa"), shown(4.6, "MPa"), Verdict.NEAR),
        (asked(GE, 5, "MPa"), shown(5, "mPa"), Verdict.UNMET),  # capitals matter
        (asked(GT, 5), shown(5), Verdict.NEAR),
        (asked(LT, 5), shown(4.9), Verdict.MET),
        (asked(GE, 500, "kW"), shown(0.63, "MW"), Verdict.MET),
        (asked(BETWEEN, 20, "℃", value_to=80), shown(30, "°C", BETWEEN, value_to=70), Verdict.MET),
        (asked(BETWEEN, 20, "℃", value_to=80), shown(0, "℃", BETWEEN, value_to=90), Verdict.UNKNOWN),
        (asked(GE, 50), shown(40, comparator=GE), Verdict.UNKNOWN),  # it may be enough: not known
        (asked(GE, 50), shown(60, comparator=GE), Verdict.MET),
        (asked(GE, 50), shown(40, comparator=LE), Verdict.UNMET),
        (asked(EQ, 10, tolerance=0.5), shown(10.4), Verdict.MET),
        (asked(EQ, 10), shown(10.4), Verdict.NEAR),
        (asked(LE, 0), shown(1), Verdict.UNMET),
        (asked(LE, 5, "kg"), shown(3, "mm"), Verdict.UNKNOWN),
        (asked(LE, 5, "quux"), shown(3, "quux"), Verdict.MET),
        (asked(LE, 5, "quux"), shown(3, "mm"), Verdict.UNKNOWN),
        (asked(LE, 5), shown(3, name="长度"), Verdict.UNKNOWN),
        (asked(LE, 5), shown(3, name=" 精 度："), Verdict.MET),
    ],
)
def test_verdicts(constraint: Constraint, measured: Measured, expected: Verdict) -> None:
    assert verdict(constraint, measured) is expected


def test_without_a_figure_it_is_unknown_and_says_so() -> None:
    (check,) = check_all([asked(LE, 5)], [])
    assert check.verdict is Verdict.UNKNOWN
    assert check.result is None
    assert not fails_a_must([asked(LE, 5)], [check])


def test_a_result_that_contradicts_itself_is_taken_at_its_worst_word() -> None:
    assert verdict(asked(LE, 5), shown(3), shown(50)) is Verdict.UNMET


def test_only_an_unmet_must_bars_a_pair() -> None:
    must, wish = asked(LE, 5), asked(LE, 5, level=Level.WISH)
    checks = check_all([must, wish], [shown(50)])
    assert [check.verdict for check in checks] == [Verdict.UNMET, Verdict.UNMET]
    assert fails_a_must([must, wish], checks)
    assert not fails_a_must([wish], checks[1:])


def test_contradictory_constraints_are_never_both_met() -> None:
    both = [asked(GE, 10), asked(LE, 5)]
    for value in (3.0, 7.0, 12.0):
        assert fails_a_must(both, check_all(both, [shown(value)]))


@given(
    st.floats(1e-6, 1e6),
    st.floats(1e-6, 1e6),
    st.sampled_from([("mm", 1e-3), ("μm", 1e-6), ("m", 1.0), ("千米", 1e3), ("纳米", 1e-9)]),
    st.sampled_from([("mm", 1e-3), ("um", 1e-6), ("米", 1.0), ("km", 1e3)]),
)
def test_units_never_change_a_clear_verdict(
    limit: float, value: float, unit: tuple[str, float], other: tuple[str, float]
) -> None:
    wanted, have = limit * unit[1], value * other[1]
    found = verdict(asked(GE, limit, unit[0]), shown(value, other[0]))
    if have >= wanted * 1.001:
        assert found is Verdict.MET
    elif have < wanted * 0.899:
        assert found is Verdict.UNMET
    elif wanted * 0.901 < have < wanted * 0.999:
        assert found is Verdict.NEAR


def test_figures_are_written_as_people_do() -> None:
    assert written(asked(BETWEEN, 20, "℃", value_to=80)) == "20–80 ℃"
    assert written(asked(GE, 5, "MPa")) == "≥ 5 MPa"
    assert written(asked(EQ, 10, tolerance=0.5)) == "10 ± 0.5 mm"
