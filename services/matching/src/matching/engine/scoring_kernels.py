"""The inner loops of scoring, compiled by numba: which terms a query shares with many vectors, and what they add up to.

A need is compared with 200 results of some 230 terms each in every answer; numpy takes some sixty passes over arrays
for that, a loop takes one. All sums are whole numbers, so their order does not matter. Nothing here knows of models,
files or errors: damage is a flag for the caller.
"""

from typing import Any, Final

import numpy as np

from matching.engine.compiling import compiled

WORD, PAIR = 0, 1
"""Units: what is counted as words, and as pairs of characters."""
COVERED, COSINE, IN_TITLE, IN_KEYWORDS, IN_BODY, REVERSE, LOCAL = range(7)
"""Sums of a unit."""
SUMS: Final = 7
KEYS: Final = 1 << 16
OTHER_TERM: Final = 1 << 16
"""Added to the key of a word that is no pair of characters, so that the two kinds have different numbers."""
_SECTORS, _MODES, _PAIRS, _PAIR_WORDS, _WORDS, _SEGMENTS = range(6)
COUNTS: Final = ("sectors", "modes", "pairs", "pair_words", "words", "segments")
"""Columns of `counts`: how many 16-bit numbers of each kind a vector holds, as its header says."""


@compiled
def codes_of(flat: Any, first: int, segments: int, terms: int, codes: Any) -> bool:  # pragma: no cover
    """Write the code of each term; False where the segments do not say `terms` codes."""
    at = 0
    for segment in range(first, first + segments):
        count = flat[segment] >> 8
        if at + count > terms:
            return False
        for _ in range(count):
            codes[at] = flat[segment] & 255
            at += 1
    return at == terms


@compiled
def meet(  # noqa: C901 - one loop over everything; parted, it would be called for each key
    flat: Any,
    begins: Any,
    counts: Any,
    slots: Any,
    codes: Any,
    sectors: Any,
    modes: Any,
    many_are_needs: bool,
    also_pair: int,
    most_level: int,
) -> Any:  # pragma: no cover - compiled
    """Find what a query shares with each of many vectors.

    `begins` are places in `flat` of each vector's first sector. `slots[key]` is a row of `codes` (0: the query has no
    such key), which holds the query's code + 1 by section, 0 where it is not in that section.
    Return whether all is sound; owner, unit, need's code, result's code and term of every hit, a row each; and how many
    sectors and modes each shares.
    """
    hits = np.empty((1024, 5), np.int32)
    facets = np.zeros((len(counts), 2), np.int64)
    used = 0
    for row in range(len(counts)):
        at = begins[row]
        for place in range(at, at + counts[row, _SECTORS]):
            for sector in sectors:
                facets[row, 0] += flat[place] == sector
        at += counts[row, _SECTORS]
        for place in range(at, at + counts[row, _MODES]):
            for mode in modes:
                facets[row, 1] += flat[place] == mode
        at += counts[row, _MODES]
        pairs = at + counts[row, _PAIRS]
        pair_words = pairs + counts[row, _PAIR_WORDS]
        end = pair_words + counts[row, _WORDS]
        for segment in range(end, end + counts[row, _SEGMENTS]):
            code, stop = flat[segment] & 255, at + (flat[segment] >> 8)
            section = int(at >= pairs) + int(at >= pair_words)
            if stop > (pairs, pair_words, end)[section]:
                return False, hits[:0], facets
            # Of a result, pairs meet the need's pairs and its words that are pairs; of a need, both meet pairs.
            first = 2 if section == 2 else 0
            last = 2 if section == 0 and not many_are_needs else first + 1
            if section == 1 and not many_are_needs:
                last = first
            for place in range(at, stop):
                slot = slots[flat[place]]
                if slot == 0:
                    continue
                if used + 2 > len(hits):
                    more = np.empty((2 * len(hits), 5), np.int32)
                    more[:used] = hits[:used]
                    hits = more
                key = flat[place]
                for table in range(first, last):
                    held = codes[slot, table]
                    if held == 0:
                        continue
                    need, result = (code, held - 1) if many_are_needs else (held - 1, code)
                    hits[used, 0], hits[used, 2], hits[used, 3] = row, need, result
                    hits[used, 1] = PAIR if section == 0 and table == 0 else WORD
                    hits[used, 4] = key + OTHER_TERM if section == 2 else key
                    used += 1
                    if section == 2 and need & also_pair:
                        hits[used] = hits[used - 1]
                        hits[used, 1] = PAIR
                        hits[used, 2] = min(need >> 2 & 31, most_level) << 2 | need & 3
                        used += 1
            at = stop
        if at != end:
            return False, hits[:0], facets
    return True, hits[:used], facets


@compiled
def saturation(
    lengths: Any, flat: Any, slope: Any, worth: Any, code: int, k1: float, steps: int
) -> Any:  # pragma: no cover - compiled
    """How fully a result covers a term of this code, in steps: BM25F over title, keywords and body (vectors.py)."""
    value = 0.0
    for field in range(3):
        value += worth[field, code] / (flat[field] + slope[field] * lengths[field])
    return np.int64(np.rint(value / (k1 + value) * steps))


@compiled
def add_up(
    pairs: int,
    hits: Any,
    lengths: Any,
    flat: Any,
    slope: Any,
    field_worth: Any,
    k1: float,
    squares: Any,
    asked_log: Any,
    offered_log: Any,
    title: int,
    keywords: int,
    in_body: Any,
    alone: bool,
    share_steps: int,
) -> Any:  # pragma: no cover - compiled
    """Add up the hits of each pair, by unit and sum.

    `lengths[row, unit, field]` are those of the results, of one row where there is one. `alone`: each pair by itself,
    so that every term is held by the one result there is. Saturations and rarity are counted in `share_steps`.
    """
    sums = np.zeros((pairs, 2, SUMS), np.int64)
    held = np.ones(len(hits), np.int64)
    if not alone:
        order = np.argsort(hits[:, 1].astype(np.int64) * (4 * KEYS) + hits[:, 4])
        begin = 0
        for at in range(1, len(order) + 1):
            same = at < len(order) and (hits[order[at], 1:5:3] == hits[order[begin], 1:5:3]).all()
            if not same:
                for place in range(begin, at):
                    held[order[place]] = at - begin
                begin = at
    many = 1 if alone else pairs
    for hit in range(len(hits)):
        owner, unit, need, result = hits[hit, 0], hits[hit, 1], hits[hit, 2], hits[hit, 3]
        worth = squares[need >> 2 & 31]
        asked = worth * (need & 3)
        row = owner if len(lengths) > 1 else 0
        covered = asked * saturation(lengths[row, unit], flat[unit], slope[unit], field_worth, result, k1, share_steps)
        rare = np.rint(np.log(1 + (many - held[hit] + 0.5) / (held[hit] + 0.5)) * share_steps)
        sums[owner, unit, COVERED] += covered
        sums[owner, unit, COSINE] += worth * asked_log[need] * offered_log[result]
        sums[owner, unit, IN_TITLE] += asked * (result & title > 0)
        sums[owner, unit, IN_KEYWORDS] += asked * (result & keywords > 0)
        sums[owner, unit, IN_BODY] += asked * in_body[result]
        sums[owner, unit, REVERSE] += worth
        sums[owner, unit, LOCAL] += covered * np.int64(rare)
    return sums


@compiled
def word_parts(
    hits: Any, lengths: Any, flat: Any, slope: Any, field_worth: Any, k1: float, squares: Any, share_steps: int
) -> Any:  # pragma: no cover - compiled
    """Return what each hit adds to its pair's coverage, counted like COVERED."""
    parts = np.zeros(len(hits), np.int64)
    for hit in range(len(hits)):
        row, unit, need, result = hits[hit, 0], hits[hit, 1], hits[hit, 2], hits[hit, 3]
        steps = saturation(lengths[row, unit], flat[unit], slope[unit], field_worth, result, k1, share_steps)
        parts[hit] = squares[need >> 2 & 31] * (need & 3) * steps
    return parts
