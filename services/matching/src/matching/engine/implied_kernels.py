"""The inner loops of what words imply, compiled: counting it in a collection, and looking for it in a result.

All figures are whole numbers, so that every process finds the same.
"""

from typing import Any, Final

import numpy as np

from matching.engine.compiling import compiled

SHARE_BITS: Final = 8
SHARE: Final = (1 << SHARE_BITS) - 1
"""What a share of 1 is counted as. A sign is the number of a term shifted by SHARE_BITS, with its share below."""
_SLOTS: Final = 1 << 14
"""Places in which the signs of a need are looked up by the lowest bits of their terms."""
_ROWS: Final = 1 << 12
_TERM, _NEXT, _ASKED, _SHARE = range(4)
_HAS: Final = -1
"""Stands in the place of a share: not a sign of the term, but the term itself."""


@compiled
def _standing(texts: Any, ends: Any, terms: int) -> tuple[Any, Any]:  # pragma: no cover - compiled
    """Return the texts of each term, term by term, and where those of each begin."""
    having = np.zeros(terms + 1, np.int64)
    for term in texts:
        having[term + 1] += 1
    begins = np.cumsum(having)
    places, at = begins[:-1].copy(), 0
    standing = np.empty(len(texts), np.int64)
    for text in range(len(ends)):
        for number in range(at, ends[text]):
            standing[places[texts[number]]] = text
            places[texts[number]] += 1
        at = ends[text]
    return begins, standing


@compiled
def _kept(signs: Any, kept: Any, term: Any, share: Any) -> Any:  # pragma: no cover - compiled
    """Put a sign among the greatest, behind those of the same share; return how many are kept."""
    if kept == len(signs) and share <= signs[kept - 1, 1]:
        return kept
    place = min(kept, len(signs) - 1)
    while place and signs[place - 1, 1] < share:
        signs[place] = signs[place - 1]
        place -= 1
    signs[place, 0], signs[place, 1] = term, share
    return min(kept + 1, len(signs))


@compiled
def counted(
    texts: Any, ends: Any, terms: int, together: int, unseen: int, most: int, least: int
) -> tuple[Any, Any]:  # pragma: no cover - compiled
    """Return for each of so many terms how many signs it has, and the signs: term and share, the greatest first.

    `texts[ends[i - 1] : ends[i]]` are the different terms of a text. A sign stands with the term in at least `together`
    texts, and its share of all texts with the sign, `unseen` more without the term among them, is at least `least`.
    """
    begins, standing = _standing(texts, ends, terms)
    counts, signs = np.zeros(terms, np.int64), np.empty((terms * most, 2), np.int64)
    beside, met = np.zeros(terms, np.int64), np.empty(terms, np.int64)
    size = 0
    for term in range(terms):
        others = 0
        for text in standing[begins[term] : begins[term + 1]]:
            for number in range(ends[text - 1] if text else 0, ends[text]):
                other = texts[number]
                if beside[other] == 0:
                    met[others] = other
                    others += 1
                beside[other] += 1
        kept = 0
        for other in np.sort(met[:others]):
            share = np.int64(np.rint(SHARE * beside[other] / (begins[other + 1] - begins[other] + unseen)))
            if other != term and beside[other] >= together and share >= least:
                kept = _kept(signs[size : size + most], kept, other, share)
            beside[other] = 0
        counts[term] = kept
        size += kept
    return counts, signs[:size]


@compiled
def looked_up(
    terms: Any, codes: Any, worth: Any, known: Any, ends: Any, signs: Any
) -> tuple[Any, Any, Any]:  # pragma: no cover - compiled
    """Return where a need's terms and their signs are found, and what each term asks for: `worth` of its code.

    By lowest bits the first row, 0 for none; the rows. So many are looked for at most, those of the first terms:
    enough for a need of a thousand characters.
    """
    places = np.searchsorted(known, terms)
    slots, rows, size = np.zeros(_SLOTS, np.int16), np.empty((_ROWS, 4), np.int32), 1
    asking = np.zeros(len(terms), np.int64)
    for at in range(len(terms)):
        place, begin, end = places[at], 0, 0
        if place < len(known) and known[place] == terms[at]:
            begin, end = (ends[place - 1] if place else 0), ends[place]
        if size + 1 + end - begin > _ROWS:
            break
        asking[at] = worth[codes[at]]
        for number in range(begin - 1, end):
            is_own = number < begin
            term = terms[at] if is_own else np.int64(signs[number]) >> SHARE_BITS
            slot = term & (_SLOTS - 1)
            rows[size, _TERM], rows[size, _NEXT], rows[size, _ASKED] = term, slots[slot], at
            rows[size, _SHARE] = _HAS if is_own else np.int64(signs[number]) & SHARE
            slots[slot] = size
            size += 1
    return slots, rows[:size], asking


@compiled
def implied_by(
    keys: Any, pairs: int, size: int, other: int, slots: Any, rows: Any, asking: Any, best: Any
) -> Any:  # pragma: no cover - compiled
    """Return what a result implies of the terms asked for that it has not itself, times SHARE.

    `keys` are so many of the result's, `pairs` of characters first; `other` is added to those of other words.
    `slots`, `rows` and `asking` are what `looked_up` returns; `best` has room for a number for each term asked for.
    """
    best[:] = 0
    # Places without signs, as in packing.py.
    for at in range(size):
        term = np.uint64(keys[at] if at < pairs else keys[at] + other)
        row = np.uint64(slots[term & np.uint64(_SLOTS - 1)])
        while row:
            if np.uint64(rows[row, _TERM]) == term:
                asked, share = np.uint64(rows[row, _ASKED]), rows[row, _SHARE]
                if share == _HAS or best[asked] == _HAS:
                    best[asked] = _HAS
                else:
                    best[asked] = max(best[asked], share)
            row = np.uint64(rows[row, _NEXT])
    total = np.int64(0)
    for each in range(len(asking)):
        if best[each] > 0:
            total += asking[each] * best[each]
    return total
