"""The inner loops of scoring, compiled by numba: which terms a query shares with many vectors, and what they add up to.

A need is compared with 200 results of some 230 terms each in every answer; numpy takes some sixty passes over arrays
for that, a loop takes one. All sums are whole numbers, so their order does not matter. Nothing here knows of models,
files or errors: damage is a flag for the caller.
"""

from typing import Any, Final

import numpy as np

from matching.engine import headers
from matching.engine.compiling import compiled
from matching.engine.implied_kernels import implied_by
from matching.engine.kernels import KEY_BITS
from matching.engine.packing import unpacked

WORD, PAIR = 0, 1
"""Units: what is counted as words, and as pairs of characters."""
COVERED, COSINE, IN_TITLE, IN_KEYWORDS, IN_BODY, REVERSE, LOCAL, PLAIN = range(8)
"""Sums of a unit."""
SUMS: Final = 8
OTHER_TERM: Final = 1 << KEY_BITS
"""Added to the key of a word that is no pair of characters, so that the two kinds have different numbers."""
SLOTS: Final = 1 << 13
"""Places in which a query's keys are looked up by their lowest bits; few enough to stay at hand."""
QUERY_MOST: Final = 1 << 15
"""Keys of a query are fewer: places are numbers of 16 bits, so that all of them stay at hand."""
OWNER, UNIT, NEED, RESULT, TERM, PLACE = range(6)
"""Columns of a hit: which of the many vectors, the unit, the codes of both sides, the term's number, and the place of
the same term and unit of the query in what is counted by it."""
_ROOM: Final = 1024
_KEY, _NEXT, _CODES = 0, 1, 2


@compiled
def looked_up(keys: Any, codes: Any, sections: Any) -> tuple[Any, Any]:  # pragma: no cover - compiled
    """Return where the keys of a query are found: by lowest bits the first row, 0 if there is none, and the rows.

    A row has a key, the next row with the same lowest bits, and by section the query's code + 1, 0 where it is not in
    that section.
    """
    slots, rows = np.zeros(SLOTS, np.int16), np.zeros((len(keys) + 1, _CODES + 3), np.int32)
    size, section, left = 1, 0, sections[0]
    for at in range(len(keys)):
        while left == 0:
            section += 1
            left = sections[section]
        left -= 1
        slot = keys[at] & (SLOTS - 1)
        row = slots[slot]
        while row and rows[row, _KEY] != keys[at]:
            row = rows[row, _NEXT]
        if row == 0:
            row = size
            size += 1
            rows[row, _KEY], rows[row, _NEXT] = keys[at], slots[slot]
            slots[slot] = row
        rows[row, _CODES + section] = codes[at] + 1
    return slots, rows[:size]


@compiled
def meet(  # noqa: C901 - one loop over everything; parted, it would be called for each key
    flat: Any,
    begins: Any,
    ends: Any,
    numbers: Any,
    slots: Any,
    rows: Any,
    sectors: Any,
    modes: Any,
    many_are_needs: bool,
    also_pair: int,
    most_level: int,
    implied_slots: Any,
    implied_rows: Any,
    asking: Any,
) -> Any:  # pragma: no cover - compiled
    """Find what a query shares with each of many vectors, and what their words imply of it.

    `begins` are places in `flat` of each vector's first sector, `ends` where its packed keys end, `numbers` those of
    its header; `slots` and `rows` are what `looked_up` returns, the last three what implied_kernels.looked_up does.
    Return whether all is sound; the hits; how many sectors and modes each shares; and what each implies.
    """
    hits = np.empty((_ROOM, PLACE + 1), np.int32)
    facets = np.zeros((len(numbers), 2), np.int64)
    keys, codes = np.empty(_ROOM, np.int64), np.empty(_ROOM, np.uint8)
    implied, best = np.zeros(len(numbers), np.int64), np.empty(len(asking), np.int32)
    used = 0
    for row in range(len(numbers)):
        at = begins[row]
        for place in range(at, at + numbers[row, headers.SECTORS]):
            for sector in sectors:
                facets[row, 0] += flat[place] == sector
        at += numbers[row, headers.SECTORS]
        for place in range(at, at + numbers[row, headers.MODES]):
            for mode in modes:
                facets[row, 1] += flat[place] == mode
        at += numbers[row, headers.MODES]
        pairs = numbers[row, headers.PAIRS]
        pair_words = pairs + numbers[row, headers.PAIR_WORDS]
        terms = pair_words + numbers[row, headers.WORDS]
        if terms > len(keys):
            keys, codes = np.empty(2 * terms, np.int64), np.empty(2 * terms, np.uint8)
        if unpacked(flat, at, numbers[row, headers.GROUPS], ends[row], keys[:terms], codes[:terms]) != terms:
            return False, hits[:0], facets, implied
        if len(asking):
            implied[row] = implied_by(keys, pairs, terms, OTHER_TERM, implied_slots, implied_rows, asking, best)
        for term in range(terms):
            key = keys[term]
            found = np.int64(slots[key & (SLOTS - 1)])
            while found and rows[found, _KEY] != key:
                found = np.int64(rows[found, _NEXT])
            if found == 0:
                continue
            if used + 4 > len(hits):
                more = np.empty((2 * len(hits), PLACE + 1), np.int32)
                more[:used] = hits[:used]
                hits = more
            # Of a result, pairs meet the need's pairs and its words that are pairs; of a need, both meet pairs.
            section = int(term >= pairs) + int(term >= pair_words)
            first = 2 if section == 2 else 0
            last = 2 if section == 0 and not many_are_needs else first + 1
            if section == 1 and not many_are_needs:
                last = first
            for table in range(first, last):
                held = rows[found, _CODES + table]
                if held == 0:
                    continue
                need, result = (codes[term], held - 1) if many_are_needs else (held - 1, codes[term])
                hits[used, OWNER], hits[used, NEED], hits[used, RESULT] = row, need, result
                hits[used, UNIT] = PAIR if section == 0 and table == 0 else WORD
                hits[used, TERM] = key + OTHER_TERM if section == 2 else key
                hits[used, PLACE] = found << 2 | int(section == 2) << 1 | hits[used, UNIT]
                used += 1
                if section == 2 and need & also_pair:
                    hits[used] = hits[used - 1]
                    hits[used, UNIT] = PAIR
                    hits[used, NEED] = min(need >> 2 & 31, most_level) << 2 | need & 3
                    hits[used, PLACE] = found << 2 | 2 | PAIR
                    used += 1
    return True, hits[:used], facets, implied


@compiled
def _fullness(
    numbers: Any, flat: Any, slope: Any, worth: Any, k1: float, steps: int, code: int, unit: int
) -> Any:  # pragma: no cover - compiled
    """How fully a result covers a term of this code, in steps: BM25F over title, keywords and body (vectors.py)."""
    value = 0.0
    for field in range(3):
        if worth[field, code] > 0:
            length = numbers[headers.LENGTHS + 3 * unit + field]
            value += worth[field, code] / (flat[unit, field] + slope[unit, field] * length)
    return np.int64(np.rint(value / (k1 + value) * steps))


@compiled
def _rarities(hits: Any, many: int, alone: bool, steps: int) -> tuple[Any, Any]:  # pragma: no cover - compiled
    """Return by place of a hit how many of so many vectors have the term, and by that number what it makes rarity."""
    most = np.int64(0)
    for hit in range(len(hits)):
        most = max(most, hits[hit, PLACE])
    having, rarity = np.zeros(most + 1, np.int64), np.zeros(many + 2, np.int64)
    if alone:
        having[:] = 1
    else:
        for hit in range(len(hits)):
            having[hits[hit, PLACE]] += 1
    for number in range(1, many + 1):
        rarity[number] = np.int64(np.rint(np.log(1 + (many - number + 0.5) / (number + 0.5)) * steps))
    return having, rarity


@compiled
def add_up(
    pairs: int,
    hits: Any,
    numbers: Any,
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

    `numbers` are those of the results' headers, one row where there is one result. `alone`: each pair by itself, so
    that every term is held by the one result there is. Saturations and rarity are counted in `share_steps`.
    """
    sums = np.zeros((pairs, 2, SUMS), np.int64)
    having, rarity = _rarities(hits, 1 if alone else pairs, alone, share_steps)
    many_results = len(numbers) > 1
    for hit in range(len(hits)):
        owner, unit, need, result = hits[hit, OWNER], hits[hit, UNIT], hits[hit, NEED], hits[hit, RESULT]
        level = np.int64(need >> 2 & 31)
        worth = squares[level]
        asked = worth * (need & 3)
        of_result = numbers[owner if many_results else 0]
        fullness = _fullness(of_result, flat, slope, field_worth, k1, share_steps, result, unit)
        covered = asked * fullness
        total = sums[owner, unit]
        total[COVERED] += covered
        total[COSINE] += worth * asked_log[need] * offered_log[result]
        total[IN_TITLE] += asked * (result & title > 0)
        total[IN_KEYWORDS] += asked * (result & keywords > 0)
        total[IN_BODY] += asked * in_body[result]
        total[REVERSE] += worth
        total[LOCAL] += covered * rarity[having[hits[hit, PLACE]]]
        total[PLAIN] += level * (need & 3) * fullness
    return sums


@compiled
def word_parts(
    hits: Any, numbers: Any, flat: Any, slope: Any, field_worth: Any, k1: float, squares: Any, share_steps: int
) -> Any:  # pragma: no cover - compiled
    """Return owner and term of each hit of a word, and what it adds to its pair's coverage, counted like COVERED."""
    parts, size = np.empty((3, len(hits)), np.int64), 0
    for hit in range(len(hits)):
        owner, need, result = hits[hit, OWNER], hits[hit, NEED], hits[hit, RESULT]
        if hits[hit, UNIT] == WORD:
            steps = _fullness(numbers[owner], flat, slope, field_worth, k1, share_steps, result, WORD)
            parts[0, size], parts[1, size] = owner, hits[hit, TERM]
            parts[2, size] = squares[need >> 2 & 31] * (need & 3) * steps
            size += 1
    return parts[:, :size]
