"""The inner loops of explaining, compiled: which neighbouring words of a need stand together in a result, and which are
missing there.

Five results are explained in every answer, each with some hundred words of the need. A word is known by its number in
the need, its term by a number of its own; texts are code points. Nothing here knows of models, vectors or sentences.
"""

from typing import Any, Final

import numpy as np

from matching.engine.compiling import compiled

FIRST, BEHIND, START, END, PART, TERM = range(6)
"""Columns of a run: number of the first word, and of the one behind the last; where it stands in the result, NOWHERE if
no word of the need stands there as written; the parts of its terms together; its only term, or SEVERAL."""
NOWHERE: Final = -1
SEVERAL: Final = -1
ABSENT: Final = -1
"""Part of a term that a result does not have."""
WORTH, GAP_FIRST, GAP_BEHIND = range(3)
"""Columns of a gap: what it asks for, the number of its first word, and of the one behind its last."""


@compiled
def by_term(found: Any, terms: Any, numbers: Any, results: int) -> tuple[Any, Any]:  # pragma: no cover - compiled
    """Return by result and number of a term its part, ABSENT if there is none, and by result all parts together.

    `found` is what `scoring_kernels.word_parts` returns; `terms` are ascending, with their `numbers`.
    """
    parts, totals = np.full((results, len(terms)), ABSENT, np.int64), np.zeros(results, np.int64)
    for at in range(found.shape[1]):
        owner, term, part = found[0, at], found[1, at], found[2, at]
        totals[owner] += part
        place = np.searchsorted(terms, term)
        if place < len(terms) and terms[place] == term:
            parts[owner, numbers[place]] = part
    return parts, totals


@compiled
def _find(sought: Any, text: Any, begin: int) -> int:  # pragma: no cover - compiled
    """Where something stands first in a text from a place on, NOWHERE if it does not."""
    size = len(sought)
    first = sought[0]
    for place in range(begin, len(text) - size + 1):
        if text[place] != first:
            continue
        at = 1
        while at < size and text[place + at] == sought[at]:
            at += 1
        if at == size:
            return place
    return NOWHERE


@compiled
def _together(
    terms: Any, parts: Any, used: Any, first: int, behind: int, mark: int
) -> Any:  # pragma: no cover - compiled
    """The parts of the different terms of neighbouring words, those left out that are `used` already (0)."""
    total = np.int64(0)
    for word in range(first, behind):
        term = terms[word]
        if used[term] != 0 and used[term] != mark:
            used[term] = mark
            total += parts[term]
    return total


@compiled
def runs(text: Any, starts: Any, ends: Any, terms: Any, parts: Any, offered: Any) -> Any:  # pragma: no cover - compiled
    """Return the runs of neighbouring words that a result has, as long as they stand together there.

    `starts`, `ends` and `terms` are those of the words of the need. One word is told once, where it stands first; but
    each time as long as it is NOWHERE as it is written.
    """
    found, size = np.empty((len(terms), TERM + 1), np.int64), 0
    alone, seen = np.zeros(len(parts), np.bool_), np.full(len(parts), -1, np.int64)
    behind = 0
    for first in range(len(terms)):
        term = terms[first]
        if first < behind or parts[term] == ABSENT:
            continue
        start, behind = starts[first], first + 1
        place = _find(text[start : ends[first]], offered, 0)
        # What is longer stands no earlier, and nowhere if what it begins with does not.
        while place >= 0 and behind < len(terms) and starts[behind] == ends[behind - 1] and parts[terms[behind]] >= 0:
            further = _find(text[start : ends[behind]], offered, place)
            if further < 0:
                break
            place, behind = further, behind + 1
        row = found[size]
        row[FIRST], row[BEHIND], row[START], row[END] = first, behind, place, place + ends[behind - 1] - start
        if behind > first + 1:
            row[PART], row[TERM] = _together(terms, parts, seen, first, behind, size + 1), SEVERAL
            size += 1
        elif not alone[term]:
            row[PART], row[TERM] = parts[term], term
            alone[term] = place >= 0
            size += 1
    return found[:size]


@compiled
def weightiest(runs: Any, terms: Any, parts: Any, most: int) -> Any:  # pragma: no cover - compiled
    """Return the places of the weightiest runs and their parts, each term counted in one only; of equal ones the first.

    `terms` are those of the words of the need.
    """
    chosen, size = np.empty((most, 2), np.int64), 0
    seen, mark = np.full(len(parts), -1, np.int64), 0
    while size < most:
        best, best_part = -1, np.int64(0)
        for at in range(len(runs)):
            mark += 1
            only = runs[at, TERM]
            if only == SEVERAL:
                part = _together(terms, parts, seen, runs[at, FIRST], runs[at, BEHIND], mark)
            else:
                part = parts[only] if seen[only] else np.int64(0)
            if part > best_part:
                best, best_part = at, part
        if best < 0:
            break
        chosen[size, 0], chosen[size, 1] = best, best_part
        size += 1
        if runs[best, TERM] != SEVERAL:
            seen[runs[best, TERM]] = 0
        else:
            for word in range(runs[best, FIRST], runs[best, BEHIND]):
                seen[terms[word]] = 0
    return chosen[:size]


@compiled
def gaps(
    starts: Any, ends: Any, terms: Any, telling: Any, worth: Any, parts: Any, translations: Any, most: int
) -> Any:  # pragma: no cover - compiled
    """Return the weightiest runs of telling words that are not covered, of equal ones the first.

    `worth` by term; a term twice in a run counts twice. `translations`: terms that are another word's translation, and
    the term of that word, which is covered by it.
    """
    covered = parts >= 0
    for at in range(len(translations)):
        if parts[translations[at, 0]] >= 0:
            covered[translations[at, 1]] = True
    found, size = np.zeros((len(terms), GAP_BEHIND + 1), np.int64), 0
    place, open = 0, False
    for word in range(len(terms)):
        if not telling[word] or covered[terms[word]]:
            continue
        if starts[word] != place or not open:
            found[size, GAP_FIRST] = word
            size, open = size + 1, True
        found[size - 1, WORTH] += worth[terms[word]]
        found[size - 1, GAP_BEHIND], place = word + 1, ends[word]
    best = np.argsort(-found[:size, WORTH], kind="mergesort")[:most]
    return found[best]
