"""From what was added up of many pairs to their features, and from there to probabilities, in two compiled loops.

`score.probabilities` and `features.relative` say the same of each feature by itself, which is easier to read and to
learn with; over the 128 pairs of an answer their passes would take as long as finding out what the pairs share. Nothing
here knows of models: a formula is rows of the table with their weights.
"""

from typing import Any, Final

import numpy as np

from matching.engine import headers
from matching.engine.compiling import compiled
from matching.engine.scoring_kernels import COSINE, LOCAL, REVERSE, SUMS

UNITS: Final = 2
COSINES: Final = UNITS * SUMS
"""Row of the cosines of embeddings in a table of features; before it stands a row for each unit and sum."""
SECTOR_SAME, SECTOR_OTHER, MODE_NONE, TRL_MISSING, PRICE_OVER, REGION_SAME, YEARS_STALE = range(
    COSINES + 1, COSINES + 8
)
"""Rows of facts compared."""
IMPLIED: Final = YEARS_STALE + 1
"""Row of what words imply (implied.py)."""
FEATURES: Final = IMPLIED + 1
OF_BEST: Final = FEATURES
"""From here on the coverages, by unit and sum, as shares of the best."""
LOGS: Final = OF_BEST + UNITS * LOCAL
"""From here on the logarithms of the coverages."""
ROWS: Final = LOGS + UNITS * LOCAL
_PROVINCE: Final = 100
_YEAR: Final = 365.25
FACTS, PROBABILITY, ORDER = range(3)
"""Rows of what `judged` returns."""


@compiled
def _masses(
    needs: Any, results: Any, need: int, result: int, unit: int, sum: int, mass_unit: float, tiny: float
) -> Any:  # pragma: no cover - compiled
    """Of what a sum is a share."""
    if sum == COSINE:
        return max(tiny, needs[need, headers.LONG + unit] * results[result, headers.LONG + unit])
    told = results[result, headers.TOLD + unit] if sum == REVERSE else needs[need, headers.TOLD + unit]
    return told * mass_unit


@compiled
def compared(
    sums: Any,
    shared: Any,
    cosines: Any,
    implied: Any,
    needs: Any,
    need_measures: Any,
    results: Any,
    result_measures: Any,
    scales: Any,
    mass_unit: float,
    tiny: float,
    trl_most: float,
    years_most: float,
) -> Any:  # pragma: no cover - compiled
    """Return the table of features, a column for each pair; what stands behind FEATURES is filled by `judged`.

    `sums` are those of `add_up`, `shared` how many sectors and modes each pair shares; the headers of both sides are
    those of `taken_apart`, one row where all pairs have that side in common. `scales`: what a share of 1 is counted as,
    by sum; `implied` is told in masses already. A fact that either side does not say is 0.
    """
    pairs = len(sums)
    table = np.zeros((ROWS, pairs))
    for pair in range(pairs):
        need, result = pair if len(needs) > 1 else 0, pair if len(results) > 1 else 0
        for unit in range(UNITS):
            for sum in range(SUMS):
                whole = _masses(need_measures, result_measures, need, result, unit, sum, mass_unit, tiny)
                share = sums[pair, unit, sum] / (scales[sum] * whole)
                table[unit * SUMS + sum, pair] = share if sum >= LOCAL else min(1.0, share)
        table[COSINES, pair], table[IMPLIED, pair] = (
            cosines[pair],
            implied[pair] / max(tiny, need_measures[need, headers.TOLD]),
        )
        asked, has = needs[need], results[result]
        same = shared[pair, 0] > 0
        table[SECTOR_SAME, pair] = same
        table[SECTOR_OTHER, pair] = not same and asked[headers.SCHEMES] & has[headers.SCHEMES] > 0
        both = asked[headers.MODES] > 0 and has[headers.MODES] > 0
        table[MODE_NONE, pair] = both and shared[pair, 1] == 0
        if asked[headers.TRL] > 0 and has[headers.TRL] > 0:
            table[TRL_MISSING, pair] = min(max(asked[headers.TRL] - has[headers.TRL], 0), trl_most)
        budget, price = need_measures[need, headers.FEN], result_measures[result, headers.FEN]
        table[PRICE_OVER, pair] = 0 <= budget < price
        located = asked[headers.REGION] > 0 and has[headers.REGION] > 0
        provinces = asked[headers.REGION] // _PROVINCE, has[headers.REGION] // _PROVINCE
        table[REGION_SAME, pair] = located and provinces[0] == provinces[1]
        if asked[headers.CONFIRMED] > 0 and has[headers.CONFIRMED] > 0:
            years = (asked[headers.CONFIRMED] - has[headers.CONFIRMED]) / _YEAR
            table[YEARS_STALE, pair] = min(max(years, 0.0), years_most)
    return table


@compiled
def _weighed(table: Any, rows: Any, weights: Any, pair: int) -> Any:  # pragma: no cover - compiled
    total = 0.0
    for at in range(len(rows)):
        total += weights[at] * table[rows[at], pair]
    return total


@compiled
def _rounded(value: float, power: float) -> Any:  # pragma: no cover - compiled
    """A number rounded to digits as numpy does it; `power` is ten to their number."""
    return np.rint(value * power) / power


@compiled
def _probability(
    table: Any, pair: int, odds: float, most: float, odds_power: float, power: float
) -> Any:  # pragma: no cover - compiled
    """See `score.probabilities`."""
    if not (table[0, pair] > 0 or table[SUMS, pair] > 0 or table[COSINES, pair] > 0):
        return 0.0
    odds = min(max(_rounded(odds, odds_power), -700.0), 700.0)
    return _rounded(min(most, 1 / (1 + np.exp(-odds))), power)


@compiled
def _beside_the_best(table: Any, row: int, fitting: Any, into: int) -> None:  # pragma: no cover - compiled
    """See `features.relative`."""
    values, best, some = table[row], 0.0, False
    for pair in range(len(values)):
        some |= fitting[pair]
    for pair in range(len(values)):
        if fitting[pair] or not some:
            best = max(best, values[pair])
    for pair in range(len(values)):
        table[into, pair] = min(1.0, values[pair] / best) if best > 0 else 1.0


@compiled
def judged(
    table: Any,
    alone: bool,
    intercept: float,
    floor: float,
    least: float,
    odds_rows: Any,
    odds_weights: Any,
    fact_rows: Any,
    fact_weights: Any,
    order_rows: Any,
    order_weights: Any,
    most: float,
    odds_power: float,
    power: float,
) -> Any:  # pragma: no cover - compiled
    """Fill the table of features and return by row what facts add, the probability, and what a list is ordered by.

    `alone`: each pair stands beside nothing better; else those that by themselves are likelier than `least` push the
    others down. Probabilities are at most `most`; `odds_power` and `power` are ten to the digits of odds and of them.
    """
    pairs = table.shape[1]
    table[OF_BEST:LOGS] = 1.0
    for unit in range(UNITS):
        for sum in range(LOCAL):
            row = LOGS + unit * LOCAL + sum
            if (odds_rows == row).any() or (order_rows == row).any():
                table[row] = np.log(table[unit * SUMS + sum] + floor)
    if not alone:
        fitting = np.empty(pairs, np.bool_)
        for pair in range(pairs):
            odds = intercept + _weighed(table, odds_rows, odds_weights, pair)
            fitting[pair] = _probability(table, pair, odds, most, odds_power, power) >= least
        for unit in range(UNITS):
            for sum in range(LOCAL):
                _beside_the_best(table, unit * SUMS + sum, fitting, OF_BEST + unit * LOCAL + sum)
    found = np.empty((ORDER + 1, pairs))
    for pair in range(pairs):
        odds = intercept + _weighed(table, odds_rows, odds_weights, pair)
        found[FACTS, pair] = _weighed(table, fact_rows, fact_weights, pair)
        found[PROBABILITY, pair] = _probability(table, pair, odds, most, odds_power, power)
        found[ORDER, pair] = _rounded(_weighed(table, order_rows, order_weights, pair), odds_power)
    return found
