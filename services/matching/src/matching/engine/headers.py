"""The headers of many vectors taken apart in one compiled loop: numpy takes a pass over 128 short rows for each field.

Columns are those of layout.py, whose format this follows; damage is a flag for the caller.
"""

from typing import Any, Final

import numpy as np

from matching.engine.compiling import compiled

WORDS_OF_HEADER: Final = 22
"""16-bit numbers of a header."""
CHECK: Final = 2
"""16-bit numbers of the checksum behind everything."""
FORMAT, KIND, SECTORS, MODES, PAIRS, PAIR_WORDS, WORDS, GROUPS = range(8)
SCHEMES, TRL, CONFIRMED, EMBEDDING, REGION, LENGTHS = range(8, 14)
"""Columns of whole numbers. From LENGTHS on how many words stand in title, keywords and body, then pairs there."""
NUMBERS: Final = LENGTHS + 6
FEN, TOLD, LONG = 0, 1, 3
"""Columns of measures: an amount of money; what is said by words and by pairs; the length as a vector of the two."""
MEASURES: Final = LONG + 2
_LOW: Final = 0xFF
_LEAST_EXPONENT: Final = 24
_FRACTION_BITS: Final = 10
_INFINITE: Final = 31


@compiled
def half(bits: Any) -> Any:  # pragma: no cover - compiled
    """Return the number that 16 bits stand for (IEEE 754 binary16), as loops have no type for it."""
    exponent, fraction = bits >> _FRACTION_BITS & _INFINITE, bits & (1 << _FRACTION_BITS) - 1
    value: Any = np.float64(fraction)
    if exponent == _INFINITE:
        value = np.nan if fraction else np.inf
    elif exponent:
        value = (fraction + (1 << _FRACTION_BITS)) * np.float64(1 << exponent) / 2
    return (-value if bits >> 15 else value) / np.float64(1 << _LEAST_EXPONENT)


@compiled
def taken_apart(
    flat: Any, sizes: Any, format: int, kind: int
) -> tuple[bool, Any, Any, Any]:  # pragma: no cover - compiled
    """Take apart the headers of vectors of these sizes, in 16-bit numbers, that stand one behind the other.

    Return whether each is of this format and kind and has room for what follows its header; where each begins; the
    columns of whole numbers; and those of measures. Whether there is room for terms is seen where they are unpacked.
    """
    many = len(sizes)
    begins, numbers, measures = (
        np.empty(many, np.int64),
        np.empty((many, NUMBERS), np.int64),
        np.empty((many, MEASURES)),
    )
    bits = np.empty(many, np.uint32)
    at = 0
    for row in range(many):
        if sizes[row] < WORDS_OF_HEADER + CHECK or at + sizes[row] > len(flat):
            return False, begins, numbers, measures
        begins[row] = at
        found, word = numbers[row], flat[at : at + WORDS_OF_HEADER]
        found[FORMAT], found[KIND] = word[0] & _LOW, word[0] >> 8
        found[SECTORS], found[MODES] = word[1] & _LOW, word[1] >> 8
        found[PAIRS], found[PAIR_WORDS], found[WORDS], found[GROUPS] = word[2], word[3], word[4], word[5]
        found[SCHEMES], found[TRL] = word[6] & _LOW, word[6] >> 8
        found[CONFIRMED], found[EMBEDDING] = word[7], word[8]
        bits[row] = np.uint32(word[9]) | np.uint32(word[10]) << np.uint32(16)
        found[REGION] = np.int64(word[11]) | np.int64(word[12]) << 16
        found[LENGTHS], found[LENGTHS + 3] = word[17] & _LOW, word[17] >> 8
        for field in range(2):
            found[LENGTHS + 1 + field], found[LENGTHS + 4 + field] = word[13 + field], word[15 + field]
        for unit in range(4):
            measures[row, TOLD + unit] = half(np.int64(word[18 + unit]))
        behind = WORDS_OF_HEADER + found[SECTORS] + found[MODES] + found[GROUPS]
        if found[FORMAT] != format or found[KIND] != kind or behind > sizes[row] - CHECK - found[EMBEDDING]:
            return False, begins, numbers, measures
        at += sizes[row]
    amounts = bits.view(np.float32)
    for row in range(many):
        measures[row, FEN] = amounts[row]
    return True, begins, numbers, measures
