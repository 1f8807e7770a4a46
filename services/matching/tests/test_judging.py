"""The loops that judge the pairs of an answer say what the readable formulas say, feature by feature."""

import struct
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matching.engine import headers
from matching.engine import judging_kernels as judging
from matching.engine.features import ROW_OF, relative
from matching.engine.items import Item
from matching.engine.model import COVERAGES, FACETS, FEATURES, IMPLIED, LISTED, LOCAL, PLAIN, Calibration, Model
from matching.engine.score import features_of, probabilities, score_needs, score_results
from matching.engine.statistics import Statistics
from matching.engine.vectors import MASS_UNIT, need_vector, result_vector

type Floats = npt.NDArray[np.float64]
COMPILED_FIRST = settings(deadline=None)
"""The first call of a loop with arguments of a kind compiles it, which takes longer than any example may."""

SCALES = np.array([4_092.0, 16_384, 4, 4, 4, 4, 4_186_116, 2_046])
KINDS = ("", "_cosine", "_title", "_keywords", "_body", "_reverse", "_local", "_plain")


@COMPILED_FIRST
@given(st.integers(0, 0xFFFF))
def test_a_half_is_what_the_processor_makes_of_it(bits: int) -> None:
    (told,) = struct.unpack("<e", struct.pack("<H", bits))
    np.testing.assert_equal(headers.half(bits), told)


def side(drawn: np.random.Generator, rows: int) -> tuple[npt.NDArray[np.int64], Floats]:
    """Headers of one side; half of what may be said is not."""
    numbers = drawn.integers(0, 12, (rows, headers.NUMBERS)) * drawn.integers(0, 2, (rows, headers.NUMBERS))
    numbers[:, headers.REGION] *= 10_000 + drawn.integers(0, 200, rows)
    numbers[:, headers.CONFIRMED] *= 365
    measures = drawn.random((rows, headers.MEASURES)) * 40
    measures[:, headers.FEN] = drawn.integers(-1, 4, rows)
    measures[:, headers.LONG :] *= drawn.integers(0, 2, (rows, 2))
    return numbers, measures


def readable(
    sums: npt.NDArray[np.int64],
    shared: npt.NDArray[np.int64],
    need: tuple[npt.NDArray[np.int64], Floats],
    result: tuple[npt.NDArray[np.int64], Floats],
) -> dict[str, Floats]:
    """The features, one after the other."""
    (asked, told), (has, offered) = need, result
    found: dict[str, Any] = {}
    for unit, name in enumerate(("word", "pair")):
        by_need, by_result = told[:, headers.TOLD + unit] * MASS_UNIT, offered[:, headers.TOLD + unit] * MASS_UNIT
        lengths = np.maximum(1e-9, told[:, headers.LONG + unit] * offered[:, headers.LONG + unit])
        for at, kind in enumerate(KINDS):
            whole = {"_cosine": lengths, "_reverse": by_result}.get(kind, by_need)
            share = sums[:, unit, at] / (SCALES[at] * whole)
            found[name + kind] = share if kind in ("_local", "_plain") else np.minimum(1.0, share)
    same = shared[:, 0] > 0
    found["sector_same"] = same
    found["sector_other"] = ((asked & has)[:, headers.SCHEMES] > 0) & ~same
    said = (asked > 0) & (has > 0)
    found["mode_none"] = said[:, headers.MODES] & (shared[:, 1] == 0)
    found["trl_missing"] = np.clip((asked - has)[:, headers.TRL], 0, 4) * said[:, headers.TRL]
    budget, price = told[:, headers.FEN], offered[:, headers.FEN]
    found["price_over"] = (budget >= 0) & (price >= 0) & (price > budget)
    provinces = (asked // 100 == has // 100)[:, headers.REGION]
    found["region_same"] = said[:, headers.REGION] & provinces
    years = (asked - has)[:, headers.CONFIRMED] / 365.25
    found["years_stale"] = np.clip(years, 0, 5) * said[:, headers.CONFIRMED]
    return found


@COMPILED_FIRST
@given(st.integers(0, 2**32), st.integers(1, 9), st.booleans())
def test_features_are_what_is_told_of_them(seed: int, pairs: int, many_needs: bool) -> None:
    drawn = np.random.default_rng(seed)
    need, result = side(drawn, pairs if many_needs else 1), side(drawn, 1 if many_needs else pairs)
    sums, shared = drawn.integers(0, 50_000, (pairs, 2, len(KINDS))), drawn.integers(0, 3, (pairs, 2))
    cosines, implied = drawn.random(pairs), drawn.random(pairs)
    table = judging.compared(sums, shared, cosines, implied, *need, *result, SCALES, MASS_UNIT, 1e-9, 4.0, 5.0)
    expected = readable(sums, shared, need, result) | {"cosine": cosines, IMPLIED: implied / need[1][:, headers.TOLD]}
    assert set(expected) == {*COVERAGES, *LOCAL, *PLAIN, *FACETS, IMPLIED, "cosine"}
    for name, values in expected.items():
        assert table[ROW_OF[name]].tolist() == np.asarray(values, dtype=np.float64).tolist(), name


WORDS = (
    "激光焊接",
    "储能电池",
    "气孔",
    "铝合金",
    "laser",
    "振动监测",
    "工艺",
    "SiO2",
    "桥梁",
    "在线检测",
    "的",
    "热管理",
)
TEXTS = st.lists(st.sampled_from(WORDS), max_size=24).map("，".join)
COEFFICIENTS = st.dictionaries(st.sampled_from(sorted(FEATURES)), st.floats(-9, 9, width=32), max_size=12)


@st.composite
def calibrations(draw: st.DrawFn) -> Calibration:
    listed = st.dictionaries(st.sampled_from(sorted(LISTED)), st.floats(0, 9, width=32))
    told = {
        "version": "drawn",
        "probability": {"intercept": draw(st.floats(-6, 2, width=32)), "floor": 0.01},
        "coefficients": draw(COEFFICIENTS),
        "ranking": draw(COEFFICIENTS) | draw(listed),
        "bands": {"least": {"部分": draw(st.floats(0.01, 0.9)), "高度": 0.95}},
    }
    return Calibration.read(told)


def weighed(features: dict[str, Floats], coefficients: Any, floor: float) -> Floats:
    total = np.zeros(len(features["word"]))
    for name, weight in coefficients.items():
        plain = name.removeprefix("log_")
        total += weight * (np.log(features[plain] + floor) if name.startswith("log_") else features[plain])
    return total


@COMPILED_FIRST
@given(calibrations(), TEXTS, st.lists(TEXTS, min_size=1, max_size=6))
def test_scores_are_what_the_readable_formulas_make_of_the_features(
    calibration: Calibration, need: str, results: list[str]
) -> None:
    model = Model(Statistics(), calibration)
    asked = need_vector(Item("n", need), model).vector
    offered = [result_vector(Item("r", text, (), (text, need[:4])), model).vector for text in results]
    features = features_of(asked, offered, model)
    probability = probabilities(features, calibration)
    facts = {name: weight for name, weight in calibration.coefficients.items() if name in FACETS}
    for at, score in enumerate(score_results(asked, offered, model)):
        told = tuple(features[name][at] for name in ("word", "pair", "word_title", "word_reverse", "cosine"))
        assert score[:5] == told
        assert score.facet_effect == weighed(features, facts, calibration.floor)[at]
        assert score.probability == pytest.approx(probability[at], abs=1e-6)
        order = weighed(features, calibration.order_for(foreign=False), calibration.floor)[at]
        assert score.order == pytest.approx(order, abs=1e-6)
        assert score.band == calibration.band_of(score.probability)
        assert score_needs([asked], offered[at], model)[0] == score_results(asked, [offered[at]], model)[0]
        alone = features_of(asked, [offered[at]], model)
        assert all(alone[f"{name}_of_best"][0] == 1 for name in COVERAGES)


@COMPILED_FIRST
@given(st.lists(st.tuples(st.integers(0, 9), st.booleans()), min_size=1, max_size=8))
def test_only_what_may_be_proposed_pushes_others_down(drawn: list[tuple[int, bool]]) -> None:
    values, among = np.array([value / 9 for value, _ in drawn]), np.array([fits for _, fits in drawn])
    table = np.zeros((2, len(values)))
    table[0] = values
    judging._beside_the_best(table, 0, among, 1)
    told = relative(dict.fromkeys(COVERAGES, values), among)["word_of_best"]
    assert table[1].tolist() == told.tolist()
