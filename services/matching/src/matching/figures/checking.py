"""A need's constraints checked against what a result shows: met, near, unmet or unknown, with what shows it.

Typed figures of the result come first, then those read in its texts. Unknown is never met. Where several figures are
equally specific, the worst word counts.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from qianqiao_contracts import Constraint, ConstraintCheck, Level, Measured, NeedContent, ResultContent, Verdict
from qianqiao_contracts.values import HIDDEN_TEXT

from matching.figures.derived import Wanted, derived
from matching.figures.naming import fold_name, names_for, stands_in
from matching.figures.notes import Note, contradictory, no_figure, not_comparable, undecided, unknown_unit, unusable
from matching.figures.reading import Reading, Stance, read
from matching.figures.statements import Statement, conversion, interval, judge, written
from matching.figures.units import is_difference, unit_of

_EVIDENCE: Final = 500
_REMEMBERED: Final = 1024
_MOST_CHECKS: Final = 50
_SEVERITY: Final = {Verdict.MET: 0, Verdict.NEAR: 1, Verdict.UNMET: 2}


@dataclass(frozen=True, slots=True)
class Contradiction:
    """Two constraints of one need that no value meets, by their places in it."""

    first: int
    second: int
    zh: str
    en: str


@dataclass(frozen=True, slots=True)
class _Shown:
    """A figure of a result that may answer a constraint. A lower `rank` is more specific."""

    rank: int
    said: Statement
    evidence: str


def check_pair(need: NeedContent, result: ResultContent) -> tuple[ConstraintCheck, ...]:
    """Check all that a need asks for: its typed constraints in their order, then those read from its texts."""
    return check_all(need.constraints, result.measured, need_texts(need), result_texts(result), wishes=derived_of(need))


def check_all(
    constraints: Sequence[Constraint],
    measured: Sequence[Measured],
    need_texts: Sequence[str] = (),
    result_texts: Sequence[str] = (),
    *,
    wishes: Sequence[Wanted] = (),
) -> tuple[ConstraintCheck, ...]:
    """Check every constraint of a need, in its order, and then every wish read from its texts."""
    asked = [*constraints, *(wish.constraint for wish in wishes)]
    readings = [reading for text in _mentioning(result_texts, asked) for reading in read(text)]
    against = {at: each for each in contradictions(tuple(constraints)) for at in (each.first, each.second)}
    checks = []
    for at, constraint in enumerate(constraints):
        wanted = Wanted(constraint, _quoted(constraint, need_texts))
        checks.append(_check(wanted, measured, readings, against.get(at)))
    checks += [_check(wish, measured, readings, None, read_from_text=True) for wish in wishes]
    return tuple(checks[:_MOST_CHECKS])


def fails_a_must(constraints: Sequence[Constraint], checks: Sequence[ConstraintCheck]) -> bool:
    """Tell whether a constraint that has to be met is known not to be. Such a pair is never proposed.

    `checks` are those of `constraints` in their order; what was only read from text may follow and bars nothing.
    """
    return any(
        constraint.level is Level.MUST and check.verdict is Verdict.UNMET
        for constraint, check in zip(constraints, checks[: len(constraints)], strict=True)
    )


@lru_cache(maxsize=_REMEMBERED)
def contradictions(constraints: tuple[Constraint, ...]) -> tuple[Contradiction, ...]:
    """Return the pairs of constraints of the same name that no value meets together."""
    by_name: dict[str, list[int]] = {}
    for at, constraint in enumerate(constraints):
        by_name.setdefault(fold_name(constraint.name), []).append(at)
    return tuple(
        found
        for places in by_name.values()
        for number, first in enumerate(places)
        for second in places[number + 1 :]
        if (found := _contradiction(constraints, first, second)) is not None
    )


def _contradiction(constraints: Sequence[Constraint], first: int, second: int) -> Contradiction | None:
    one, other = constraints[first], constraints[second]
    unit = unit_of(one.unit)
    if unit_of(other.unit).quantity != unit.quantity:
        return None
    difference = is_difference(one.name)
    values = [interval(Statement.of(each), unit, difference=difference) for each in (one, other)]
    if values[0].touches(values[1]):
        return None
    note = contradictory(written(one), written(other))
    return Contradiction(first, second, note.zh, note.en)


# ---- texts -----------------------------------------------------------------------------------------------------------


def need_texts(need: NeedContent) -> tuple[str, ...]:
    """Return the texts of a need that may state figures."""
    return _told(need.title, need.difficulty, need.goal, need.current_state)


def result_texts(result: ResultContent) -> tuple[str, ...]:
    """Return the texts of a result that state what it reaches; the problem it solves tells of what was before."""
    return _told(result.title, result.summary, result.advantage, result.application)


def _told(*texts: str | None) -> tuple[str, ...]:
    hidden = HIDDEN_TEXT.values()
    return tuple(text for text in texts if text and text not in hidden)


def derived_of(need: NeedContent) -> tuple[Wanted, ...]:
    """Return what the texts of a need ask for beside its typed constraints."""
    told = [text if text and text not in HIDDEN_TEXT.values() else "" for text in _parts(need)]
    return derived(need.constraints, demands=(told[0], told[1]), background=(told[2],))


def _parts(need: NeedContent) -> tuple[str | None, str | None, str | None]:
    return need.difficulty, need.goal, need.current_state


def _quoted(constraint: Constraint, texts: Iterable[str]) -> str:
    """The sentence of the need that says a typed constraint; the constraint itself where none does."""
    own, _ = names_for(constraint.name)
    said = Statement.of(constraint)
    for reading in (reading for text in texts for reading in read(text)):
        if reading.said.value in {said.value, said.value_to} and _rank(reading, own, ()) is not None:
            return reading.sentence
    return f"{constraint.name} {written(constraint)}"


def _mentioning(texts: Sequence[str], constraints: Sequence[Constraint]) -> list[str]:
    """The texts in which a figure that is asked for is named at all: the others need not be read."""
    names = {name for constraint in constraints for spellings in names_for(constraint.name) for name in spellings}
    return [text for text in texts if any(name in fold_name(text) for name in names)] if names else []


# ---- one constraint --------------------------------------------------------------------------------------------------


def _check(
    wanted: Wanted,
    measured: Sequence[Measured],
    readings: Sequence[Reading],
    against: Contradiction | None,
    *,
    read_from_text: bool = False,
) -> ConstraintCheck:
    constraint = wanted.constraint
    said = Statement.of(constraint)
    difference = is_difference(constraint.name)
    candidates = sorted(_candidates(constraint, measured, readings), key=lambda shown: shown.rank)
    verdict, shown = _decide(said, candidates, difference)
    note = _note(constraint, said, verdict, shown, readings)
    if against is not None:
        note = Note("contradictory", against.zh, against.en)
        verdict = Verdict.UNKNOWN if verdict is Verdict.MET else verdict
    return ConstraintCheck(
        name=constraint.name,
        verdict=verdict,
        need=written(constraint),
        result=written(shown.said) if shown else None,
        level=constraint.level,
        read_from_text=read_from_text,
        evidence_need=wanted.evidence[:_EVIDENCE],
        evidence_result=shown.evidence[:_EVIDENCE] if shown else None,
        conversion=conversion(said, shown.said, difference=difference) if shown else None,
        note=note.code if note else None,
        note_zh=note.zh if note else None,
        note_en=note.en if note else None,
    )


def _decide(said: Statement, candidates: Sequence[_Shown], difference: bool) -> tuple[Verdict, _Shown | None]:
    """The worst known verdict of the most specific figures that decide; otherwise unknown, with what is shown."""
    open_yet: _Shown | None = None
    known: list[tuple[Verdict, _Shown]] = []
    for shown in candidates:
        if known and shown.rank > known[0][1].rank:
            break
        verdict = judge(said, shown.said, difference=difference)
        if verdict is None or verdict is Verdict.UNKNOWN:
            open_yet = _more_telling(open_yet, shown, verdict)
        else:
            known.append((verdict, shown))
    if known:
        return max(known, key=lambda pair: _SEVERITY[pair[0]])
    return Verdict.UNKNOWN, open_yet


def _more_telling(held: _Shown | None, shown: _Shown, verdict: Verdict | None) -> _Shown | None:
    """A typed figure is shown even in another unit; of the texts only what is comparable."""
    if held is not None:
        return held
    return shown if verdict is Verdict.UNKNOWN or shown.rank < _FROM_TEXT else None


_FROM_TEXT: Final = 2


def _candidates(constraint: Constraint, measured: Sequence[Measured], readings: Sequence[Reading]) -> Iterator[_Shown]:
    """Figures that may answer, typed ones (ranks 0 and 1) and read ones (from 2)."""
    own, others = names_for(constraint.name)
    quantity = unit_of(constraint.unit).quantity
    for figure in measured:
        name = fold_name(figure.name)
        if name == own[0] or name in others:
            evidence = f"{figure.name} {written(figure)}"
            yield _Shown(0 if name == own[0] else 1, Statement.of(figure), evidence)
    for reading in readings:
        if not _tells(reading, constraint.name) or unit_of(reading.said.unit).quantity != quantity:
            continue
        rank = _rank(reading, own, others)
        if rank is not None:
            yield _Shown(_FROM_TEXT + rank, reading.said, reading.sentence)


def _tells(reading: Reading, name: str) -> bool:
    """A change answers only a constraint that asks for a change by its name (能耗降低率)."""
    if reading.stance is Stance.STATED:
        return True
    return reading.stance is Stance.RELATIVE and any(word in name for word in ("降低", "提高", "提升", "减少", "增"))


def _rank(reading: Reading, own: Sequence[str], others: Sequence[str]) -> int | None:
    """How specific a reading is for a figure: by its own name, at the end of a phrase, in the clause, by a synonym."""
    name = fold_name(reading.name)
    if name.isascii() and name.endswith("s") and name not in own:
        name = name[:-1]  # detection limits
    for step, names in ((0, own), (3, others)):
        if name in names:
            return step
        if any(name.endswith(each) for each in names):
            return step + 1
        if any(stands_in(reading.scope, each) for each in names):
            return step + 2
    return None


def _note(
    constraint: Constraint, said: Statement, verdict: Verdict, shown: _Shown | None, readings: Sequence[Reading]
) -> Note | None:
    """Why a check is unknown."""
    if verdict is not Verdict.UNKNOWN:
        return None
    if shown is None:
        aside = _aside(constraint, readings)
        return unusable(aside.stance.value) if aside else _no_figure(constraint)
    wanted, have = unit_of(said.unit), unit_of(shown.said.unit)
    for unit, text in ((have, shown.said.unit), (wanted, said.unit)):
        if not unit.known and wanted.quantity != have.quantity:
            return unknown_unit(text)
    if wanted.quantity != have.quantity:
        return not_comparable(said.unit, shown.said.unit)
    return undecided(written(said), written(shown.said))


def _no_figure(constraint: Constraint) -> Note:
    return no_figure() if unit_of(constraint.unit).known else unknown_unit(constraint.unit)


def _aside(constraint: Constraint, readings: Sequence[Reading]) -> Reading | None:
    """A figure of this name that the text gives, but not as one that the result reaches."""
    own, others = names_for(constraint.name)
    telling = (Stance.NEGATED, Stance.INTENDED, Stance.RELATIVE)
    return next(
        (reading for reading in readings if reading.stance in telling and _rank(reading, own, others) is not None), None
    )
