"""The inner loops of reading, compiled: from characters and words to the terms of a text, and from terms to a vector.

A text has some four hundred characters and gives some two hundred terms; numpy takes forty passes over such short
arrays, each of them mostly overhead, a compiled loop takes one. The numbers are those of texts.py, vocabulary.py and
layout.py; nothing here knows of models, files or errors, and each loop is bounded by the arrays it is given.
"""

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from matching.engine.compiling import compiled

type Integers = npt.NDArray[np.int64]
type Points = npt.NDArray[np.uint32]
type Flags = npt.NDArray[np.bool_]

KEY_BITS: Final = 18
"""Bits of the hash that a term is known by in vectors (docs/decisions/0017)."""
FIELD_BITS: Final = 2
POINT_BITS: Final = 18
PAIR_BITS: Final = 2 * POINT_BITS
"""Bits of the number that stands for a pair: its two code points. Above them stands its hash."""
A: Final = 0x9E3779B1
B: Final = 0x85EBCA77
COUNT_BITS: Final = 13
NEXT: Final = 1
"""Number of the word that stands between two fields; smaller numbers are of no word at all."""
COUNTS, KEYS, LEVELS, IS_PAIR, PAIR_LEVELS, HASHES, NUMBERS = range(7)
"""Rows of what `counted` returns. The number of a pair is its code, of a word that of the vocabulary."""
UNKNOWN: Final = -1
"""Level of a pair that is not at hand."""
WORDS: Final = 1 << KEY_BITS
"""Added to the numbers of words, so that they come after the hashes of pairs."""
_FIELDS: Final = 3
_LEVEL_BITS: Final = 5
_LEVELS: Final = 1 << _LEVEL_BITS
_ALSO_PAIR: Final = 128
_PROBES: Final = 8
"""Places in which a pair may stand."""
_COUNT: Final = (1 << COUNT_BITS) - 1
_POINT: Final = (1 << POINT_BITS) - 1
_CODE: Final = (1 << PAIR_BITS) - 1
_FIELD: Final = (1 << FIELD_BITS) - 1
MASS, PAIR_MASS, LENGTH, PAIR_LENGTH, COUNTED, COUNTED_PAIRS = 0, 1, 2, 3, 4, 7
"""Places in what `offered` and `asked` sum up; the last two each followed by the counts of the other two fields."""
_SUMS: Final = 10


# ---- from a text as written to what is compared ------------------------------------------------------------------


@compiled
def folded(  # pragma: no cover - compiled
    points: Points, becomes: Points, begins: Integers
) -> bool:
    """Fold a text in place, character by character; False where that is not all there is to it.

    `becomes`: what a character is compared as, 0 where it cannot be told from the character alone; `begins`: three code
    points each, ascending, with which a word may begin that is exchanged for another, the third 0 for words of two.
    """
    before, least, most = np.int64(0), begins[0] >> POINT_BITS, begins[-1] >> POINT_BITS
    for at in range(len(points)):
        point = points[at]
        if point >= len(becomes) or becomes[point] == 0:
            return False
        point = becomes[point]
        points[at] = point
        pair = before << POINT_BITS | np.int64(point)
        if least <= pair <= most:
            behind = points[at + 1] if at + 1 < len(points) else np.uint32(0)
            third = becomes[behind] if behind < len(becomes) else np.uint32(0)
            for begin in begins[np.searchsorted(begins, pair << POINT_BITS) :]:
                if begin >> POINT_BITS != pair:
                    break
                if begin & _POINT == 0 or begin & _POINT == third:
                    return False
        before = np.int64(point)
    return True


@compiled
def parted(  # pragma: no cover - compiled
    points: Points, keywords: int, body: int, is_han: Flags, between: int, next_field: int
) -> Points:
    """Return the Chinese characters of a text, one `between` in place of whatever else stands together.

    `points` and where its fields begin are those of `occurrences`; `next_field` stands between fields.
    """
    parts, size, has_gap = np.empty(len(points), np.uint32), 0, False
    for at in range(len(points)):
        point = np.int64(points[at])
        if at == keywords - 1 or at == body - 1:
            parts[size] = next_field
        elif point < len(is_han) and is_han[point]:
            parts[size] = point
        elif not has_gap:
            parts[size] = between
        else:
            continue
        has_gap = parts[size] == between
        size += 1
    return parts[:size]


# ---- from a text to its terms -------------------------------------------------------------------------------------


@compiled
def occurrences(  # pragma: no cover - compiled
    points: Points, keywords: int, body: int, is_han: Flags, words: Integers
) -> Integers:
    """Return every pair of Chinese characters and every word as it stands: hash and code, or number; lowest the field.

    `points` are the code points of all fields, of which the second and third begin at `keywords` and `body`; `words`
    the numbers of the words, with NEXT between fields, first the Chinese words of all fields, then all others.
    """
    found = np.empty(len(points) + len(words), np.int64)
    size = 0
    before: Any = False
    for at in range(len(points)):
        point = np.int64(points[at])
        is_one = bool(point < len(is_han) and is_han[point])
        if is_one and before:
            first = np.int64(points[at - 1])
            hash = ((first * A + point * B) & 0xFFFFFFFF) >> (32 - KEY_BITS)
            field = np.int64(at > keywords) + np.int64(at > body)
            code = hash << PAIR_BITS | first << POINT_BITS | point
            found[size] = code << FIELD_BITS | field
            size += 1
        before = is_one
    number = 0
    for word in words:
        if word > NEXT:
            found[size] = (word + WORDS) << (PAIR_BITS + FIELD_BITS) | number
            size += 1
        elif word == NEXT:
            number = 0 if number == _FIELDS - 1 else number + 1
    return found[:size]


@compiled
def counted(  # pragma: no cover - compiled
    found: Integers, facts: Integers, known: Integers
) -> tuple[Integers, int, int]:
    """Return the different terms of sorted occurrences (rows: see COUNTS), how many are pairs, and of how many of them
    the level is not at hand (UNKNOWN). Pairs of one hash are one.

    `facts` are those of the vocabulary, by number; `known` is the table of `keep`.
    """
    terms = np.empty((NUMBERS + 1, len(found)), np.int64)
    size, pairs, unknown, last = 0, 0, 0, np.int64(-1)
    for each in found:
        kind = each >> (PAIR_BITS + FIELD_BITS)
        step = np.int64(1) << (2 - (each & _FIELD)) * COUNT_BITS
        if kind == last:
            terms[COUNTS, size - 1] += step
            continue
        last = kind
        terms[COUNTS, size] = step
        if kind < WORDS:
            code = each >> FIELD_BITS & _CODE
            level = _level(code, known)
            terms[KEYS, size] = kind
            terms[LEVELS, size] = level
            terms[NUMBERS, size] = code
            unknown += level == UNKNOWN
            pairs += 1
        else:
            number = kind - WORDS
            terms[KEYS, size] = facts[number, 0]
            terms[LEVELS, size] = facts[number, 1]
            terms[IS_PAIR, size] = facts[number, 2]
            terms[PAIR_LEVELS, size] = facts[number, 3]
            terms[HASHES, size] = facts[number, 4]
            terms[NUMBERS, size] = number
        size += 1
    return terms[:, :size], pairs, unknown


@compiled
def _home(code: Any, size: int) -> Any:  # pragma: no cover - compiled
    """Where a pair stands first in a table of so many places, a power of two."""
    mixed = (np.uint64(code) * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(32)
    return np.int64(mixed) & (size - 1)


@compiled
def _level(code: Any, known: Integers) -> Any:  # pragma: no cover - compiled
    """The level of a pair, UNKNOWN if it is not at hand. Empty places of the table are 0."""
    home = _home(code, len(known))
    for step in range(_PROBES):
        held = known[(home + step) & (len(known) - 1)]
        if held >> _LEVEL_BITS == code:
            return held & (_LEVELS - 1)
        if held == 0:
            break
    return np.int64(UNKNOWN)


@compiled
def keep(code: int, level: int, known: Integers) -> None:  # pragma: no cover - compiled
    """Have the level of a pair at hand, in one number with its code; another is forgotten where there is no room."""
    home = _home(code, len(known))
    place = (home + code % _PROBES) & (len(known) - 1)
    for step in range(_PROBES):
        empty = (home + step) & (len(known) - 1)
        if known[empty] == 0 or known[empty] >> _LEVEL_BITS == code:
            place = empty
            break
    known[place] = code << _LEVEL_BITS | level


# ---- from terms to a vector ---------------------------------------------------------------------------------------


@compiled
def _least(levels: Integers, most: int) -> tuple[int, int]:  # pragma: no cover - compiled
    """From which level on terms are kept if `most` may be, and how many of exactly that level, the first of them."""
    having = np.zeros(_LEVELS, np.int64)
    for level in levels:
        having[level] += 1
    room = most
    for level in range(_LEVELS - 1, 0, -1):
        if having[level] >= room:
            return level, room
        room -= having[level]
    return 1, having[1]


@compiled
def _number(section: int, key: int, code: int) -> int:  # pragma: no cover - compiled
    """A term as one number, see layout.py."""
    return section << (8 + KEY_BITS) | key << 8 | code


@compiled
def _kept(  # pragma: no cover - compiled
    terms: Integers, levels: Integers, pairs: int, codes: Integers, most_pairs: int, most_words: int
) -> Integers:
    """Terms of a level above 0 as numbers, of too many the heaviest, of equal ones the first."""
    kept = np.empty(len(levels), np.int64)
    size = 0
    least, room = _least(levels[:pairs], most_pairs)
    for at in range(len(levels)):
        if at == pairs:
            least, room = _least(levels[pairs:], most_words)
        if levels[at] > least or (levels[at] == least and room > 0):
            room -= levels[at] == least
            section = 0 if at < pairs else 2 - terms[IS_PAIR, at]
            kept[size] = _number(section, terms[KEYS, at], codes[at])
            size += 1
    return kept[:size]


@compiled
def offered(  # pragma: no cover - compiled
    terms: Integers, pairs: int, body_codes: Integers, damped: Integers, most_pairs: int, most_words: int
) -> tuple[Integers, Integers, Integers]:
    """Return the terms of a result as numbers, what they sum up to (see MASS), and how often each word is found by.

    `damped`, by code, is what frequency makes of a term's length.
    """
    size = terms.shape[1]
    codes, levels = np.empty(size, np.int64), terms[LEVELS].copy()
    frequencies, sums = np.empty(size - pairs, np.int64), np.zeros(_SUMS, np.int64)
    for at in range(size):
        count, is_word = terms[COUNTS, at], np.int64(at >= pairs)
        title, keywords, body = count >> 2 * COUNT_BITS, count >> COUNT_BITS & _COUNT, count & _COUNT
        code = np.int64(title > 0) << 4 | np.int64(keywords > 0) << 3 | body_codes[body]
        codes[at] = code
        worth = levels[at] * levels[at]
        length = damped[code] * damped[code]
        unit = COUNTED if is_word else COUNTED_PAIRS
        sums[unit] += title
        sums[unit + 1] += keywords
        sums[unit + 2] += body
        sums[MASS if is_word else PAIR_MASS] += worth
        sums[LENGTH if is_word else PAIR_LENGTH] += length * worth
        if is_word:
            frequencies[at - pairs] = 2 * title + 2 * keywords + body
            if terms[IS_PAIR, at]:
                levels[at] = 0  # found in the result by its pair
            else:
                latin = terms[PAIR_LEVELS, at] * terms[PAIR_LEVELS, at]
                sums[PAIR_MASS] += latin
                sums[PAIR_LENGTH] += length * latin
    return _kept(terms, levels, pairs, codes, most_pairs, most_words), sums, frequencies


@compiled
def asked(  # pragma: no cover - compiled
    terms: Integers, pairs: int, cap: int, damped: Integers, most_pairs: int, most_words: int
) -> tuple[Integers, Integers, Integers]:
    """Return the terms of a need as numbers, what they sum up to (see MASS), and how often each word is found by."""
    size = terms.shape[1]
    codes, levels = np.empty(size, np.int64), terms[LEVELS]
    frequencies, sums = np.empty(size - pairs, np.int64), np.zeros(_SUMS, np.int64)
    for at in range(size):
        count, is_word = terms[COUNTS, at], np.int64(at >= pairs)
        times = (count >> 2 * COUNT_BITS) + (count >> COUNT_BITS & _COUNT) + (count & _COUNT)
        often = min(times, cap)
        code = levels[at] << 2 | often
        worth = levels[at] * levels[at]
        length = damped[often] * damped[often]
        sums[MASS if is_word else PAIR_MASS] += worth * often
        sums[LENGTH if is_word else PAIR_LENGTH] += length * worth
        if is_word:
            frequencies[at - pairs] = times
            if not terms[IS_PAIR, at] and terms[PAIR_LEVELS, at] > 0:
                code |= _ALSO_PAIR
                latin = terms[PAIR_LEVELS, at] * terms[PAIR_LEVELS, at]
                sums[PAIR_MASS] += latin * often
                sums[PAIR_LENGTH] += length * latin
        codes[at] = code
    return _kept(terms, levels, pairs, codes, most_pairs, most_words), sums, frequencies


@compiled
def times(terms: Integers, pairs: int) -> Integers:  # pragma: no cover - compiled
    """Return how often each word stands in all fields."""
    counts = terms[COUNTS, pairs:]
    found: Integers = (counts >> 2 * COUNT_BITS) + (counts >> COUNT_BITS & _COUNT) + (counts & _COUNT)
    return found
