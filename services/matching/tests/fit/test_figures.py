"""The arithmetic of fitting: bounds, curves, coefficients, thresholds."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matching.fit.judging import Judged, bands, report, threshold
from matching.fit.listwise import fit_order
from matching.fit.logistic import Prior, fit, log_loss
from matching.fit.wilson import lower_bound


def free(count: int) -> Prior:
    return Prior(np.zeros(count), np.full(count, 1e-6))


@given(st.integers(0, 500), st.integers(1, 500))
def test_a_bound_is_below_the_share_and_rises_with_what_is_right(right: int, more: int) -> None:
    of = right + more
    assert 0 <= lower_bound(right, of, 0.9) <= right / of + 1e-12
    assert lower_bound(right + 1, of, 0.9) > lower_bound(right, of, 0.9)


def test_a_bound_is_the_published_one() -> None:
    assert lower_bound(0, 0, 0.9) == 0
    assert lower_bound(8, 10, 0.975) == pytest.approx(0.4902, abs=1e-4)  # two-sided 95 %: 0.4902 to 0.9433


def test_coefficients_are_found_again() -> None:
    chance = np.random.default_rng(3)
    features = chance.normal(size=(20_000, 2)) * [1.0, 5.0]
    odds = 0.5 + features @ np.array([1.5, -0.3])
    answers = (chance.random(20_000) < 1 / (1 + np.exp(-odds))).astype(np.float64)
    found = fit(features, answers, free(2))
    assert found.intercept == pytest.approx(0.5, abs=0.08)
    assert found.coefficients == pytest.approx([1.5, -0.3], abs=0.08)
    assert log_loss(found.probabilities(features), answers) < 0.5


def test_what_never_varies_keeps_its_prior_and_separable_answers_end() -> None:
    features = np.column_stack([np.linspace(-1, 1, 200), np.zeros(200)])
    answers = (features[:, 0] > 0).astype(np.float64)
    found = fit(features, answers, Prior(np.array([0.0, 0.4]), np.array([1.0, 20.0])))
    assert found.coefficients[1] == 0.4
    assert 1 < found.coefficients[0] < 100
    with pytest.raises(ValueError, match="both kinds"):
        fit(features, np.ones(200), free(2))


def test_a_coefficient_that_must_not_be_below_zero_is_nothing_and_the_others_make_up_for_it() -> None:
    chance = np.random.default_rng(6)
    features = chance.normal(size=(5_000, 3))
    features[:, 1] += features[:, 0]
    odds = features @ np.array([1.5, -0.8, 0.5])
    answers = (chance.random(5_000) < 1 / (1 + np.exp(-odds))).astype(np.float64)
    free_, bound = fit(features, answers, free(3)), fit(features, answers, free(3), positive=[True, True, True])
    assert free_.coefficients[1] < -0.5
    assert bound.coefficients[1] == 0
    assert 0.3 < bound.coefficients[0] < free_.coefficients[0]


def test_a_prior_is_left_the_further_the_more_rows_there_are() -> None:
    chance = np.random.default_rng(4)
    moved = []
    for rows in (30, 3000):
        features = chance.normal(size=(rows, 1))
        answers = (chance.random(rows) < 1 / (1 + np.exp(-2 * features[:, 0]))).astype(np.float64)
        moved.append(fit(features, answers, Prior(np.array([-0.4]), np.array([100.0]))).coefficients[0])
    assert -0.4 <= moved[0] < 1.0 < moved[1]


def test_an_order_is_found_again() -> None:
    chance = np.random.default_rng(5)
    lists = []
    for _ in range(2_000):
        rows = chance.normal(size=(10, 3))
        likely = np.exp(rows @ np.array([2.0, 1.0, -0.5]))
        lists.append((rows, int(chance.choice(10, p=likely / likely.sum()))))
    found = fit_order(lists, 1e-6)
    assert found[0] / found[1] == pytest.approx(2.0, rel=0.1)
    assert found[0] > 1.5
    assert found[2] == 0  # more in common never counts against a result


def judged(kind: str, probability: float, right: bool, without: float = 0.1) -> Judged:
    return Judged(kind, np.array([probability]), np.array([float(right)]), without)


def test_the_threshold_is_the_smallest_that_keeps_the_promise_for_every_kind() -> None:
    sure = [judged("a", 0.9, True) for _ in range(200)]
    unsure = [judged("a", 0.5, at % 2 == 0) for at in range(200)]
    assert threshold([*sure, *unsure], 0.9) == 0.9
    assert threshold([*sure, *unsure], 0.7) == 0.5
    harder = [judged("b", 0.95, True) for _ in range(200)] + [judged("b", 0.9, False) for _ in range(200)]
    assert threshold([*sure, *unsure, *harder], 0.7) == 0.95
    assert threshold(unsure, 0.8) is None
    assert threshold([*sure, *unsure], 0.7, counted=0.76) == 0.9  # 300 of 400 are right from 0.5 on
    hopeless = [judged("c", 0.85, False) for _ in range(20)]  # nothing of this kind is proposed from 0.9 on
    assert threshold([*sure, *hopeless], 0.9) == 0.9


def test_the_threshold_rises_until_needs_without_a_fit_get_nothing() -> None:
    some = [judged("a", 0.9, True, 0.2 if at % 10 else 0.7) for at in range(300)]
    some += [judged("a", 0.3, True, 0.6) for _ in range(100)]
    assert threshold(some, 0.8) == 0.3
    assert threshold(some, 0.8, abstention=0.9) == 0.9
    assert report(some, {"部分": 0.9}, 0.1).abstention["a"] == 1.0


def test_a_threshold_that_breaks_the_promise_gives_no_bands() -> None:
    sure = [judged("a", 0.95, True) for _ in range(300)]
    unsure = [judged("a", 0.5, at % 2 == 0) for at in range(300)]
    assert bands([*sure, *unsure], 0.45) is None, "three of four are right"
    assert bands([*sure, *unsure], 0.6) == {"部分": 0.6, "较": 0.95, "高度": 0.95}
    assert bands(sure, 0.97) is None, "nothing is proposed"
    loud = [judged("a", 0.95, True, 0.9) for _ in range(300)]
    assert bands(loud, 0.6) is None, "needs without a fit get a proposal"


def test_a_report_counts_each_proposal_in_one_band() -> None:
    some = [judged("a", 0.9, True), judged("a", 0.6, False), judged("a", 0.2, True)]
    told = report(some, {"高度": 0.8, "部分": 0.5}, 0.1)
    counted = {(line.kind, line.band): (line.proposed, line.right) for line in told.lines}
    assert counted[("a", "高度")] == (1, 1)
    assert counted[("a", "部分")] == (1, 0)
    assert counted[("a", "all")] == (2, 1)
    assert told.whole().recall == pytest.approx(1 / 3)
