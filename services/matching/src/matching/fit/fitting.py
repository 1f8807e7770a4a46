"""From measured needs to a calibration: cross-fitted, judged on what was held back, compared with the present one."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Final
from zlib import crc32

import numpy as np

from matching.engine.model import FEATURES, LISTED, Calibration
from matching.engine.score import probabilities
from matching.engine.tables import table
from matching.fit import guard, judging
from matching.fit.examples import TRANSLATED
from matching.fit.judging import Judged, Report
from matching.fit.listwise import fit_order
from matching.fit.logistic import Floats, Prior, fit, log_loss
from matching.fit.measuring import VERDICT, Beside, Case
from matching.fit.problem import FitError

_FIT: Final = table("fit")
_PAIRS: Final = _FIT["pairs"]
_TARGETS: Final = _FIT["targets"]
_ROUNDS: Final = 2
"""What is relative to the best depends on what would be proposed, hence on the calibration: soon nothing moves."""
_HASHES: Final = 1 << 32

type Say = Callable[[str, str], None]
"""Tells a person, in Chinese and English, what is being done."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """A new calibration and how it and the present one did on what neither was learnt from."""

    calibration: Calibration
    new: Report
    present: Report
    learnt_from: int
    held_back: int


def split(cases: Sequence[Case]) -> tuple[list[Case], list[Case]]:
    """Return what is learnt from and what is held back: of verdicts the later ones, else by the hash of the group.

    Groups are never divided: a need that was answered early and late counts as early.
    """
    verdicts = [case for case in cases if case.kind == VERDICT]
    known = [case for case in cases if case.kind != VERDICT]
    late = _late_groups(verdicts)
    learnt = [case for case in known if not is_held_back(case.group)]
    learnt += [case for case in verdicts if case.group not in late]
    held = [case for case in known if is_held_back(case.group)]
    return learnt, held + [case for case in verdicts if case.group in late]


def _late_groups(verdicts: Sequence[Case]) -> set[str]:
    first = len(verdicts) - int(len(verdicts) * _PAIRS["held_back"])
    return {case.group for case in verdicts[first:]} - {case.group for case in verdicts[:first]}


def is_held_back(group: str) -> bool:
    """Tell whether the needs of a known result are held back: a fit is judged on them and never sees them."""
    return crc32(f"held back:{group}".encode()) < float(_PAIRS["held_back"]) * _HASHES


def learn(
    cases: Sequence[Case],
    present: Calibration,
    version: str,
    say: Say,
    *,
    statistics: str = "",
    before: Sequence[Case] | None = None,
    seen: Mapping[str, frozenset[str]] | None = None,
) -> Outcome:
    """Fit a calibration. `cases` of verdicts stand in the order in which they were given; `before` are the same cases
    measured with the statistics of the present model, which its calibration belongs to; `statistics` names those that
    `cases` were measured with; `seen` tells which groups the model behind a feature was itself learnt from (guard.py).
    Raises FitError.
    """
    chosen = enough(cases)
    learnt, held = split(chosen)
    try:
        guard.check(features_learnt(), (case.group for case in chosen), seen or {})
    except guard.LeakError as leak:
        zh, en = str(leak).split(" / ")
        raise FitError("leak", zh, en) from leak
    calibration = replace(present, statistics=statistics)
    for number in range(1, _ROUNDS + 1):
        say(f"拟合系数 {number}/{_ROUNDS}", f"fitting coefficients {number}/{_ROUNDS}")
        calibration = _fitted(learnt, calibration, present, version)
        say(f"按 {_PAIRS['folds']} 折交叉选定门槛", f"choosing thresholds over {_PAIRS['folds']} folds")
        calibration = replace(calibration, bands=_settled(_folds(learnt, calibration, present)))
    say("在留出的数据上与现行模型比较", "comparing with the present model on what was held back")
    compared = held if before is None else split(enough(before))[1]
    return Outcome(calibration, judge(held, calibration), judge(compared, present), len(learnt), len(held))


def _settled(folds: Sequence[tuple[Calibration, Sequence[Case]]]) -> Mapping[str, float]:
    """Return thresholds that keep the promise when they are in force themselves.

    What a result is compared with is what may be proposed beside it, so each threshold tried moves the probabilities
    that it is tried on. The least that keeps the promise counts. Raises FitError for none.
    """
    tried = [
        _TARGETS["from"] + step * _TARGETS["step"] for step in range(int((1 - _TARGETS["from"]) / _TARGETS["step"]))
    ]
    for least in tried:
        in_force = {judging.LOWEST_BAND: round(least, 4)}
        judged = [_judged(case, replace(each, bands=in_force)) for each, some in folds for case in some]
        if (found := judging.bands(judged, in_force[judging.LOWEST_BAND])) is not None:
            return found
    raise FitError(
        "no-threshold",
        f"没有任何门槛能保证精确率 {_TARGETS['counted']:.0%}，模型未写出。",
        f"No threshold keeps a precision of {_TARGETS['counted']:.0%}; no model was written.",
    )


def judge(cases: Sequence[Case], calibration: Calibration) -> Report:
    """Report what a calibration does on these cases."""
    judged = [_judged(case, calibration) for case in cases]
    given = np.concatenate([each.probabilities for each in judged])
    answers = np.concatenate([each.answers for each in judged])
    known = ~np.isnan(answers)
    return judging.report(judged, calibration.bands, log_loss(given[known], answers[known]))


def _judged(case: Case, calibration: Calibration) -> Judged:
    best_without = None
    if case.kind != VERDICT and (right := case.right) is not None:
        best_without = float(_probabilities(case.beside.without(right), calibration).max(initial=0.0))
    elif case.kind != VERDICT:
        best_without = float(_probabilities(case.beside, calibration).max(initial=0.0))
    return Judged.of(case, _probabilities(case.beside, calibration), best_without)


def _probabilities(beside: Beside, calibration: Calibration) -> Floats:
    return probabilities(beside.compared(calibration), calibration) if len(beside) else np.zeros(0)


def _folds(
    cases: Sequence[Case], guessed: Calibration, present: Calibration
) -> list[tuple[Calibration, Sequence[Case]]]:
    """Return the cases fold by fold, each with coefficients learnt without it."""
    found: list[tuple[Calibration, Sequence[Case]]] = []
    for fold, some in groupby(sorted(cases, key=_fold), key=_fold):
        others = [case for case in cases if _fold(case) != fold]
        found.append((_fitted(others, guessed, present, "fold") if others else guessed, list(some)))
    return found


def _fold(case: Case) -> int:
    return crc32(f"fold:{case.group}".encode()) % int(_PAIRS["folds"])


def _fitted(cases: Sequence[Case], guessed: Calibration, present: Calibration, version: str) -> Calibration:
    names, facts = features_learnt(), set(_FIT["features"]["facts"])
    names += [name for name in present.coefficients if name not in names]
    columns, answers = [], []
    for case in cases:
        for beside, said in _lessons(case):
            known = ~np.isnan(said)
            columns.append(_columns(beside.compared(guessed), names)[known])
            answers.append(said[known])
    prior = _prior(names, present, answered=any(case.kind == VERDICT for case in cases))
    # To have more in common never counts against a result; bounds rest on it, too (docs/decisions/0012).
    positive = [name not in facts for name in names]
    try:
        found = fit(np.concatenate(columns), np.concatenate(answers), prior, positive=positive)
    except ValueError as error:
        raise FitError(
            "one-sided", "只有一种答案，学不出区别。", "All answers are of one kind; there is nothing to tell apart."
        ) from error
    coefficients = dict(zip(names, found.coefficients.tolist(), strict=True))
    return replace(
        guessed,
        version=version,
        intercept=found.intercept,
        floor=float(_FIT["features"]["floor"]),
        coefficients={name: value for name, value in coefficients.items() if value},
        ranking=_ranking(cases, present.ranking, foreign=False),
        ranking_translated=_ranking(cases, present.ranking_translated, foreign=True),
    )


def _lessons(case: Case) -> Iterator[tuple[Beside, Floats]]:
    """What one need teaches: what stands beside it, and once more without the right result, where nothing fits."""
    yield case.beside, case.answers
    if case.kind != VERDICT and (right := case.right) is not None and len(case.beside) > 1:
        others = case.beside.without(right)
        yield others, np.zeros(len(others))


def _ranking(cases: Sequence[Case], present: Mapping[str, float], *, foreign: bool) -> Mapping[str, float]:
    """Learn the order from whole lists with their right result; without any, as with verdicts alone, it stays.

    Needs in another language have an order of their own: what few of the candidates have, which tells most in one's own
    language, is more often a wrong translation.
    """
    names: list[str] = _FIT["features"]["ranking"]
    lists = [
        (_columns(case.beside.features, names), int(np.flatnonzero(case.answers == 1)[0]))
        for case in cases
        if case.kind != VERDICT and case.right is not None and (case.kind == TRANSLATED) is foreign
    ]
    if len(lists) < _PAIRS["least_lists"]:
        return present
    found = fit_order(lists, float(_FIT["strength"]["ranking"]))
    facts = {name: weight for name, weight in present.items() if name in _FIT["features"]["facts"]}
    return {name: weight for name, weight in zip(names, found.tolist(), strict=True) if weight} | facts


def features_learnt() -> list[str]:
    """Return the features that are learnt, in order. Raises ValueError for one that the engine does not have."""
    names = [*_FIT["features"]["learnt"], *_FIT["features"]["facts"]]
    unknown = sorted(set(names) - FEATURES | set(_FIT["features"]["ranking"]) - FEATURES - LISTED)
    if unknown:
        raise ValueError(f"data/fit.toml names unknown features: {', '.join(unknown)}")
    return names


def _prior(names: Sequence[str], present: Calibration, *, answered: bool) -> Prior:
    """Where coefficients are expected. Verdicts move the present ones; known pairs say nothing of facts, which stay,
    and enough of texts to start from nothing.
    """
    facts, strength = set(_FIT["features"]["facts"]), _FIT["strength"]
    stays = set(names) if answered else facts | (set(present.coefficients) - set(features_learnt()))
    other = strength["present" if answered else "learnt"]
    return Prior(
        np.array([present.coefficients.get(name, 0.0) if name in stays else 0.0 for name in names]),
        np.array([float(strength["facts"] if name in facts else other) for name in names]),
    )


def _columns(features: Mapping[str, Floats], names: Sequence[str]) -> Floats:
    floor = float(_FIT["features"]["floor"])
    return np.column_stack(
        [
            np.log(features[name.removeprefix("log_")] + floor) if name.startswith("log_") else features[name]
            for name in names
        ]
    )


def enough(cases: Sequence[Case]) -> Sequence[Case]:
    """Return what is learnt from: verdicts once there are enough of both kinds, else known pairs. Raises FitError."""
    verdicts = [case for case in cases if case.kind == VERDICT]
    known = [case for case in cases if case.kind != VERDICT]
    wanted = sum(bool((case.answers == 1).any()) for case in verdicts)
    if len(verdicts) >= _PAIRS["least_verdicts"] and (
        min(wanted, len(verdicts) - wanted) >= _PAIRS["least_of_each_answer"]
    ):
        return verdicts
    if len(known) >= _PAIRS["least_needs"]:
        return known
    raise FitError(
        "too-few-pairs",
        f"可学的供需太少：已知或自造的 {len(known)} 组（至少 {_PAIRS['least_needs']}），答复 {len(verdicts)} 条"
        f"（至少 {_PAIRS['least_verdicts']}，两种各 {_PAIRS['least_of_each_answer']}）。现行模型不变。",
        f"Too few pairs to learn from: {len(known)} known or made (at least {_PAIRS['least_needs']}), {len(verdicts)} "
        f"answered (at least {_PAIRS['least_verdicts']}, {_PAIRS['least_of_each_answer']} of each kind). "
        "The present model stays.",
    )
